import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { beforeEach, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { inTime } from "../support/settles.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/** What arrived at one end, and how the connection ended there. */
class End {
  readonly socket: Socket;
  received = "";
  ended = false;
  error: string | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => (this.received += chunk.toString("latin1")));
    socket.on("end", () => (this.ended = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message));
  }

  async gets(text: string): Promise<void> {
    await pollUntil(`receiving ${JSON.stringify(text)}`, 20_000, () => this.received === text);
  }
}

let server: Server;
let proxy: TcpProxy;
let served: End[];
const clients: End[] = [];

/** Echoes everything in capitals. */
beforeEach(async () => {
  served = [];
  server = createServer((socket) => {
    served.push(new End(socket));
    socket.on("data", (chunk) => socket.write(chunk.toString("latin1").toUpperCase()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy = await TcpProxy.start((server.address() as { port: number }).port);
  return async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await inTime("closing the proxy", proxy.close(), 20_000);
    expect(proxy.connections).toBe(0);
    for (const end of served) end.socket.destroy();
    server.close();
  };
});

async function open(): Promise<End> {
  const socket = connect(proxy.port, "127.0.0.1");
  const client = new End(socket);
  clients.push(client);
  await once(socket, "connect");
  return client;
}

/** Long enough for bytes to arrive that may arrive. */
const aWhile = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 50));

test("what is sent arrives, and the end of one side ends the other", async () => {
  const client = await open();
  client.socket.write("hello");
  await client.gets("HELLO");
  expect(proxy.bytes).toEqual({ toServer: 5, toClient: 5 });
  client.socket.end();
  await pollUntil("the end", 20_000, () => client.ended && served[0]!.ended && proxy.connections === 0);
  expect([client.error, served[0]!.error]).toEqual([null, null]);
});

test("a megabyte goes through whole while the reader is slow", async () => {
  const client = await open();
  const sent = "abcdefghij".repeat(100_000);
  client.socket.pause();
  client.socket.write(sent);
  await aWhile();
  client.socket.resume();
  await client.gets(sent.toUpperCase());
});

test("a black hole holds everything back, the end included, and delivers it once it closes", async () => {
  const client = await open();
  client.socket.write("one");
  await client.gets("ONE");
  proxy.blackHole();
  client.socket.end("two");
  await aWhile();
  expect(served[0]).toMatchObject({ received: "one", ended: false });
  const late = await open(); // It still accepts.
  late.socket.write("three");
  await aWhile();
  expect(late).toMatchObject({ received: "", ended: false, error: null });
  await proxy.pass();
  await late.gets("THREE");
  await pollUntil("what was held back", 20_000, () => served[0]!.received === "onetwo" && served[0]!.ended);
});

test("one direction can be a black hole while the other passes", async () => {
  const client = await open();
  proxy.blackHole("toClient");
  client.socket.write("one");
  await pollUntil("the request", 20_000, () => served[0]?.received === "one");
  await aWhile();
  expect(client.received).toBe("");
  await proxy.pass();
  await client.gets("ONE");
});

test("forgotten connections stay silent for good while new ones pass", async () => {
  const client = await open();
  client.socket.write("one");
  await client.gets("ONE");
  proxy.forgetOpen();
  client.socket.write("two");
  const other = await open();
  other.socket.write("three");
  await other.gets("THREE");
  await proxy.pass();
  await aWhile();
  expect(client.received).toBe("ONE");
  expect(served[0]!.received).toBe("one");
});

test("dropped replies vanish although their requests were carried out", async () => {
  const client = await open();
  proxy.dropReplies();
  client.socket.write("one");
  await pollUntil("the request", 20_000, () => served[0]?.received === "one");
  await aWhile();
  await proxy.pass();
  client.socket.write("two");
  await client.gets("TWO");
});

test("a reset reaches both ends, and a refused connection is refused until traffic passes again", async () => {
  const client = await open();
  client.socket.write("one");
  await client.gets("ONE");
  proxy.reset();
  await pollUntil("the reset", 20_000, () => client.error === "ECONNRESET" && served[0]!.error === "ECONNRESET");
  const { port } = proxy;
  await proxy.refuse();
  await expect(open()).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await proxy.pass();
  expect(proxy.port).toBe(port);
  const again = await open();
  again.socket.write("two");
  await again.gets("TWO");
});

for (const bytes of [0, 1, 3, 4]) {
  test(`a reply is cut after ${bytes} of its 4 bytes`, async () => {
    const client = await open();
    proxy.cutAfter("toClient", bytes);
    client.socket.write("four");
    // Some kernels show a reset behind unread bytes as a plain end.
    await pollUntil("the cut", 20_000, () => client.error === "ECONNRESET" || client.ended);
    expect(client.received).toBe("FOUR".slice(0, bytes));
    expect(served[0]!.received).toBe("four");
  });

  test(`a request is cut after ${bytes} of its 4 bytes`, async () => {
    const client = await open();
    proxy.cutAfter("toServer", bytes);
    client.socket.write("four");
    await pollUntil("the cut", 20_000, () => client.error === "ECONNRESET" && served[0]?.error === "ECONNRESET");
    expect(served[0]!.received).toBe("four".slice(0, bytes));
  });
}

test("an action runs once, when a sequence is complete, before it goes on", async () => {
  const client = await open();
  let fired = 0;
  proxy.when("toServer", "commit", () => {
    fired++;
    proxy.dropReplies();
  });
  client.socket.write("com");
  await client.gets("COM");
  expect(fired).toBe(0);
  client.socket.write("mit");
  await pollUntil("the request", 20_000, () => served[0]?.received === "commit");
  client.socket.write("commit");
  await pollUntil("the request", 20_000, () => served[0]?.received === "commitcommit");
  expect(fired).toBe(1);
  expect(client.received).toBe("COM");
});

test("latency delays each chunk, and closing does not wait for it", async () => {
  const client = await open();
  proxy.slow(100, "toClient");
  const sent = performance.now();
  client.socket.write("one");
  await client.gets("ONE");
  expect(performance.now() - sent).toBeGreaterThanOrEqual(95);
  proxy.slow(60_000);
  client.socket.write("two");
});
