import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { AddressGuard } from "../../../src/webhooks/address-guard.ts";
import { Sender } from "../../../src/webhooks/sender.ts";

/** Goal: no receiver's name leads a call to this machine or its network, however the name or its DNS are made. */

const PRIVATE = [
  "127.0.0.1",
  "127.8.8.8",
  "0.0.0.0",
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "192.0.2.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "240.0.0.1",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:a00:1",
  "::ffff:169.254.169.254",
  "64:ff9b::a00:1",
  "2002:7f00:1::",
  "2001::1",
  "fe80::1",
  "fe80::1%eth0",
  "fc00::1",
  "fd00:ec2::254",
  "ff02::1",
  "100::1",
  "::2",
  "::a00:1",
  "::7f00:1",
  "4000::1",
];
const PUBLIC = ["8.8.8.8", "172.32.0.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"];

const sender = (guard: AddressGuard) =>
  new Sender({ guard, allowHttp: true, timeoutMs: 2_000, userAgent: "mnemosync" });
const MESSAGE = { id: "msg_1", body: "{}" };
const never = new AbortController().signal;

test("public addresses are called, private and special ones are not, unless they are allowed by name or range", () => {
  const guard = new AddressGuard({ allowed: [] });
  expect(PRIVATE.filter((address) => guard.permits(address))).toEqual([]);
  expect(PUBLIC.filter((address) => !guard.permits(address))).toEqual([]);
  for (const text of ["", "localhost", "999.1.1.1", "10.0.0.1/8"]) expect(guard.permits(text)).toBe(false);
  const some = new AddressGuard({ allowed: ["10.1.0.0/16", "::1"] });
  expect(["10.1.2.3", "::1", "::ffff:10.1.2.3"].map((address) => some.permits(address))).toEqual([true, true, true]);
  expect(["10.2.0.1", "127.0.0.1", "::2"].map((address) => some.permits(address))).toEqual([false, false, false]);
});

test("an address in the URL is judged in whatever spelling, without a look-up", async () => {
  const asked: string[] = [];
  const guard = new AddressGuard({
    allowed: [],
    resolve: async (name) => {
      asked.push(name);
      return ["127.0.0.1"];
    },
  });
  const client = sender(guard);
  const spelled = ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "0"];
  for (const host of spelled) {
    const delivery = await client.send(`http://${host}:9/`, MESSAGE, [], never);
    expect(delivery).toMatchObject({ outcome: "failed", status: null, error: expect.stringMatching(/not public/) });
  }
  expect(asked).toEqual([]);
  await client.close();
});

test("a name is refused as a whole where one of its addresses is private; the message does not say which", async () => {
  const client = sender(new AddressGuard({ allowed: [], resolve: async () => ["93.184.216.34", "10.1.2.3"] }));
  const delivery = await client.send("http://receiver.example/", MESSAGE, [], never);
  expect(delivery).toMatchObject({
    outcome: "failed",
    error: expect.stringMatching(/^receiver.example has an address/),
  });
  expect(JSON.stringify(delivery)).not.toContain("10.1.2.3");
  await client.close();
});

test("the connection uses the address that was checked: a name that changes afterwards leads nowhere else", async (t) => {
  const reached: string[] = [];
  const server = createServer((message, response) => {
    reached.push(String(message.headers.host));
    response.writeHead(204, { connection: "close" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  // Allowed at the first look-up, private at every later one: a second question for one call would reach the server.
  const answers = [["127.0.0.1"], ["127.0.0.2"]];
  let looks = 0;
  const guard = new AddressGuard({
    allowed: ["127.0.0.1"],
    resolve: async () => answers[Math.min(looks++, 1)] as string[],
  });
  const client = sender(guard);
  const url = `http://receiver.example:${port}/`;
  expect(await client.send(url, MESSAGE, [], never)).toMatchObject({ outcome: "accepted" });
  expect([looks, reached]).toEqual([1, [`receiver.example:${port}`]]);
  await expect(client.send(url, MESSAGE, [], never)).resolves.toMatchObject({ outcome: "failed" });
  expect(reached).toHaveLength(1);
  await client.close();
  // The same look-up serves a socket that asks for one address.
  const single = new AddressGuard({ allowed: ["127.0.0.1"], resolve: async () => ["127.0.0.1"] });
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const call = request({ host: "receiver.example", port, lookup: single.lookup, family: 4 });
    call.on("response", (response) => resolve(response.resume().statusCode)).on("error", reject);
    call.end();
  });
  expect(status).toBe(204);
});
