import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { type OwnedConnection, openConnection } from "../../src/drivers/postgres/postgres-connection.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { parsePostgresUrl } from "../../src/drivers/postgres/postgres-url.ts";
import { ConnectionPoolManager, MemorySynchronizer } from "../../src/index.ts";
import { untilAborted } from "../../src/runtime/deadline.ts";
import { postgresUrl } from "../support/services.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { CERTIFICATE_FILE, TlsFront } from "../support/tls-front.ts";
import { offerTls } from "../support/tls-postgres.ts";

/**
 * Goal: connections over TLS work, those that ask for a proof of who the server is refuse the wrong one, and a link that breaks is
 * noticed as a plain one is. Method: Node's TLS before the servers; a PostgreSQL with TLS of its own behind a proxy; servers that lie.
 */

type Test = { onTestFinished: (finish: () => Promise<void>) => void };

async function front(t: Test, url: string, protocol: "postgres" | "redis", host = "127.0.0.1"): Promise<URL> {
  const plain = new URL(url);
  const proxy = await TlsFront.start(Number(plain.port), protocol, host);
  t.onTestFinished(() => proxy.close());
  plain.host = `${host}:${proxy.port}`;
  return plain;
}

/** Whether Postgres can be used by this URL; else the code of the refusal. */
async function tryPostgres(url: string): Promise<string> {
  const pools = new ConnectionPoolManager({ postgresUrl: url, redisUrl: inject("redisUrl") });
  try {
    return await pools.withPostgres(async ({ sql }) => String((await sql<{ one: number }[]>`select 1 as one`)[0]?.one));
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await pools.close();
  }
}

test("Postgres: encryption alone, or with a proof of the chain, or of the name too", async (t) => {
  const url = await front(t, postgresUrl(), "postgres");
  const ask = (query: string): Promise<string> => tryPostgres(`${url.href}?${query}`);
  expect(await ask("sslmode=require")).toBe("1");
  expect(await ask(`sslmode=verify-ca&sslrootcert=${CERTIFICATE_FILE}`)).toBe("1");
  expect(await ask(`sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`)).toBe("1");
  expect(await ask("sslmode=verify-full")).toBe("STORE_REFUSED");
  expect(await ask("sslrootcert=system")).toBe("STORE_REFUSED");
  expect(await ask("sslmode=disable")).toBe("STORE_UNAVAILABLE");
  // The certificate is for 127.0.0.1, and this is another address of the same machine.
  const other = await front(t, postgresUrl(), "postgres", "127.0.0.2");
  expect(await tryPostgres(`${other.href}?sslmode=verify-ca&sslrootcert=${CERTIFICATE_FILE}`)).toBe("1");
  expect(await tryPostgres(`${other.href}?sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`)).toBe("STORE_REFUSED");
});

test("a synchronizer works over TLS alone", async (t) => {
  const database = await createTestDatabase(postgresUrl());
  t.onTestFinished(() => database.drop());
  const ledgerUrl = await front(t, database.url, "postgres");
  const redisUrl = await front(t, inject("redisUrl"), "redis");
  redisUrl.protocol = "rediss:";
  const sync = await MemorySynchronizer.connect({
    postgresUrl: `${ledgerUrl.href}?sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`,
    redisUrl: `${redisUrl.href}?tlsCa=${CERTIFICATE_FILE}`,
    redisPrefix: `tls-${process.pid}-${Date.now()}`,
  });
  t.onTestFinished(() => sync.close());
  expect(await sync.syncMemory("m1", { content: "over TLS", memoryType: "t" })).toMatchObject({ status: "synced" });
  expect(await sync.get("m1")).toMatchObject({ source: "redis" });
  await sync.delete("m1");
});

test("Redis with a certificate that nobody vouches for is not used", async (t) => {
  const redisUrl = await front(t, inject("redisUrl"), "redis");
  redisUrl.protocol = "rediss:";
  const pools = new ConnectionPoolManager({ postgresUrl: postgresUrl(), redisUrl: redisUrl.href });
  t.onTestFinished(() => pools.close());
  await expect(pools.withRedis((client) => client.ping())).rejects.toMatchObject({ store: "redis" });
});

let server: EmbeddedServer;
let proxy: TcpProxy;

beforeAll(async () => {
  server = await startEmbeddedPostgres({ settings: { fsync: "off" } });
  await offerTls(server);
  proxy = await TcpProxy.start(server.port);
});

afterAll(async () => {
  await proxy?.close();
  await server?.close();
});

const VERIFIED = `sslmode=verify-full&sslrootcert=${CERTIFICATE_FILE}`;
const SETTINGS = {
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 60_000,
  lockTimeoutMs: 5_000,
  idleInTransactionTimeoutMs: 60_000,
  applicationName: "tls-test",
};
const NEVER = new AbortController().signal;
/** For what comes of itself: how long it may take on a busy machine. */
const SOON = { timeout: 60_000 };

/** A connection of its own to the server with TLS, through the proxy. */
async function connectionTo(t: Test, query: string): Promise<OwnedConnection> {
  const { targets } = parsePostgresUrl(`${proxy.through(server.url)}?${query}`);
  const { connection } = await openConnection(targets, "any", SETTINGS, NEVER);
  t.onTestFinished(async () => connection.destroy());
  return connection;
}

/** Whether the server says that the connection is over TLS; or the error. */
async function isOverTls(url: string): Promise<unknown> {
  const pool = new PostgresPool(url, { max: 1 });
  try {
    return await pool.use(NEVER, async ({ sql }) => {
      const [row] = await sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
      return row?.ssl;
    });
  } catch (error) {
    return error;
  } finally {
    await pool.close();
  }
}

test("each sslmode means what it says, with a server that offers TLS and with one that does not", async (t) => {
  const ask = (query: string): Promise<unknown> => isOverTls(`${server.url}?${query}`);
  for (const mode of ["allow", "prefer", "require"]) expect([mode, await ask(`sslmode=${mode}`)]).toEqual([mode, true]);
  expect(await ask(VERIFIED)).toBe(true);
  expect(await ask(`sslmode=verify-ca&sslrootcert=${CERTIFICATE_FILE}`)).toBe(true);
  expect(await ask("sslmode=disable")).toBe(false);
  expect(await ask("")).toBe(false);
  // PostgreSQL takes a handshake without a question before it only where the client names the protocol.
  expect(await ask("sslmode=require&sslnegotiation=direct")).toBe(true);
  expect(await ask(`${VERIFIED}&sslnegotiation=direct`)).toBe(true);
  expect(await ask("sslmode=verify-full")).toMatchObject({ code: "STORE_REFUSED" });
  expect(await ask("ssl=true")).toMatchObject({ code: "STORE_REFUSED" }); // The driver's own name: all is verified.
  const noKey = await ask(`sslmode=require&sslcert=${CERTIFICATE_FILE}&sslkey=${CERTIFICATE_FILE}`);
  expect(noKey).toMatchObject({ code: "STORE_REFUSED" });

  const plain = await startEmbeddedPostgres({ settings: { fsync: "off" } });
  t.onTestFinished(() => plain.close());
  const askPlain = (query: string): Promise<unknown> => isOverTls(`${plain.url}?${query}`);
  for (const mode of ["allow", "prefer", "disable"]) {
    expect([mode, await askPlain(`sslmode=${mode}`)]).toEqual([mode, false]);
  }
  for (const query of ["sslmode=require", VERIFIED]) {
    const message = expect.stringMatching(/offers no TLS, and the URL asks for it: set ssl = on.*sslmode=disable/);
    expect(await askPlain(query)).toMatchObject({ code: "STORE_REFUSED", message });
  }
});

test.each([
  ["over TLS", VERIFIED],
  ["in clear text", "sslmode=disable"],
])("a link %s that is cut while nobody uses it is noticed", async (_, query) => {
  const connection = await connectionTo({ onTestFinished }, query);
  expect([connection.usable(), connection.lost.aborted]).toEqual([true, false]);
  proxy.reset();
  await expect.poll(() => connection.lost.aborted, SOON).toBe(true);
  expect(connection.usable()).toBe(false);
});

test("work over TLS fails when its link is cut or carries what is no TLS, and the next gets another link", async (t) => {
  const pool = new PostgresPool(`${proxy.through(server.url)}?${VERIFIED}`, { max: 1 });
  t.onTestFinished(() => pool.close());
  t.onTestFinished(() => proxy.pass());
  const pidOf = (): Promise<number> => pool.use(NEVER, async ({ backend }) => backend.pid);
  const first = await pidOf();
  const asleep = pool.use(NEVER, ({ sql }) => sql`select pg_sleep(60)`.execute());
  proxy.reset();
  await expect(asleep).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  const second = await pidOf();
  expect(second).not.toBe(first);
  proxy.dieSaying(Buffer.from("no record of TLS"), true);
  await expect(pool.use(NEVER, ({ sql }) => sql`select 1`.execute())).rejects.toMatchObject({ store: "postgres" });
  expect(await pidOf()).not.toBe(second);
  expect(pool.counts()).toMatchObject({ opened: 3, lost: 2 });
});

test("a connection over TLS that is destroyed amid its work ends at once, and nothing is written to it any more", async (t) => {
  const connection = await connectionTo(t, VERIFIED);
  const asleep = connection.sql`select pg_sleep(60)`.execute();
  const ended = expect(untilAborted(asleep, connection.lost)).rejects.toMatchObject({
    code: expect.stringMatching(/^CONNECTION_/),
  });
  connection.destroy();
  expect(connection.usable()).toBe(false);
  await ended;
  await expect.poll(() => connection.lost.aborted, SOON).toBe(true);
});

/** The number of CancelRequest in PostgreSQL's protocol. */
const CANCEL_REQUEST = "\x04\xd2\x16\x2e";

test("a statement is cancelled over a link like its own, and one that cannot be asked for harms nothing", async (t) => {
  t.onTestFinished(() => proxy.pass());
  const watcher = await connectionTo(t, VERIFIED);
  const untilAsleep = async ({ backend }: OwnedConnection): Promise<void> => {
    const look = () =>
      watcher.sql`select 1 from pg_stat_activity where pid = ${backend.pid} and wait_event = 'PgSleep'`;
    await expect.poll(async () => (await look()).length, SOON).toBe(1);
  };
  for (const [query, goesInClear] of [[VERIFIED, false] as const, ["sslmode=disable", true] as const]) {
    let wentInClear = false;
    proxy.when("toServer", CANCEL_REQUEST, () => {
      wentInClear = true;
    });
    const connection = await connectionTo(t, query);
    const asleep = connection.sql`select pg_sleep(60)`.execute();
    await untilAsleep(connection);
    asleep.cancel();
    await expect(asleep).rejects.toMatchObject({ code: "57014" });
    expect([query, wentInClear]).toEqual([query, goesInClear]);
    expect(await connection.sql`select 1 as one`).toEqual([{ one: 1 }]);
    await proxy.pass();
  }
  const connection = await connectionTo(t, VERIFIED);
  const asleep = connection.sql`select pg_sleep(60)`.execute();
  await untilAsleep(connection);
  const liar = await startLiar(t, "N");
  proxy.retarget(liar.port);
  t.onTestFinished(async () => proxy.retarget(server.port));
  asleep.cancel();
  await expect.poll(() => liar.heard, SOON).toEqual(SSL_REQUEST);
  await expect.poll(() => liar.open, SOON).toBe(0);
  expect(connection.usable()).toBe(true);
  const ending = expect(asleep).rejects.toMatchObject({ code: "57014" }); // Awaited below; it may come before the next answer does.
  await watcher.sql`select pg_cancel_backend(${connection.backend.pid})`;
  await ending;
});

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

interface Liar {
  readonly port: number;
  /** All bytes that it was sent. */
  readonly heard: Buffer;
  readonly open: number;
}

/** Answers the first bytes of a connection with `answer`; null: hangs up; empty: says nothing. */
async function startLiar(t: Test, answer: string | null): Promise<Liar> {
  const sockets = new Set<Socket>();
  let heard = Buffer.alloc(0);
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined); // Clients hang up.
    socket.once("close", () => sockets.delete(socket));
    socket.on("data", (bytes: Buffer) => {
      if (heard.length === 0) {
        if (answer === null) socket.end();
        else socket.write(answer, "latin1");
      }
      heard = Buffer.concat([heard, bytes]);
    });
  });
  t.onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    listener.close();
    await once(listener, "close");
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    get heard() {
      return heard;
    },
    get open() {
      return sockets.size;
    },
  };
}

/** AuthenticationOk, as somebody between would put it in. */
const INJECTED = "R\0\0\0\x08\0\0\0\0";

test.each([
  ["a byte that is none of the protocol", "X", "require", "STORE_REFUSED", /byte 88: expected S or N/],
  ["another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", "prefer", "STORE_REFUSED", /byte 72: expected S or N/],
  ["bytes behind S", `S${INJECTED}`, "require", "STORE_REFUSED", /9 bytes behind it: expected none/],
  ["bytes behind N", `N${INJECTED}`, "prefer", "STORE_REFUSED", /9 bytes behind it: expected none/],
  ["an error before TLS", "ESFATAL\0Mcall this number\0\0", "prefer", "STORE_UNAVAILABLE", /an error; its log has/],
  ["the end of the connection", null, "prefer", "STORE_UNAVAILABLE", /closed the connection at its beginning/],
  ["nothing", "", "prefer", "STORE_UNAVAILABLE", /no connection within 300 ms/],
  ["S, and no handshake", "S", "require", "STORE_UNAVAILABLE", /no connection within 300 ms/],
])(
  "asked for TLS, a server answers with %s: nothing secret is sent, and nothing stays open",
  async (_, answer, mode, code, message) => {
    const liar = await startLiar({ onTestFinished }, answer);
    const url = `postgres://me:secret@127.0.0.1:${liar.port}/db?sslmode=${mode}`;
    const connectTimeoutMs = answer === "" || answer === "S" ? 300 : 10_000;
    const pool = new PostgresPool(url, { max: 1, connectTimeoutMs });
    const using = pool.use(NEVER, async () => undefined);
    await expect(using).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(using).rejects.toMatchObject({ message: expect.not.stringContaining("this number") });
    await expect.poll(() => liar.open, SOON).toBe(0);
    expect(liar.heard.subarray(0, SSL_REQUEST.length)).toEqual(SSL_REQUEST);
    if (answer !== "S") expect(liar.heard).toHaveLength(SSL_REQUEST.length);
    await pool.close();
  },
);

test.each(["", "S"])(
  "a connection that is given up amid its beginning is closed at once (answer %j)",
  async (answer) => {
    const liar = await startLiar({ onTestFinished }, answer);
    const { targets } = parsePostgresUrl(`postgres://me@127.0.0.1:${liar.port}/db?sslmode=require`);
    const giveUp = new AbortController();
    const opening = openConnection(targets, "any", { ...SETTINGS, connectTimeoutMs: 60_000 }, giveUp.signal);
    const refused = expect(opening).rejects.toThrow("given up");
    await expect.poll(() => liar.heard.length, SOON).toBeGreaterThanOrEqual(SSL_REQUEST.length);
    giveUp.abort(new Error("given up"));
    await refused;
    await expect.poll(() => liar.open, SOON).toBe(0);
  },
);
