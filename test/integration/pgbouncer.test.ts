import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Redis } from "ioredis";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { IGNORED_PARAMETERS, pgBouncerIsInstalled, startPgBouncer } from "../support/pgbouncer.ts";
import { postgresUrl } from "../support/services.ts";
import { openWorld } from "../support/world.ts";

/** Goal: PgBouncer in transaction mode is refused with a sentence that says what to set; in session mode it serves. */

const isInstalled = pgBouncerIsInstalled();

/** A PgBouncer before the tests' server. @returns its URL. */
async function startPooler(lines: readonly string[], target = postgresUrl()): Promise<string> {
  const pooler = await startPgBouncer(target, lines);
  onTestFinished(() => pooler.close());
  return pooler.url;
}

const signal = (): AbortSignal => AbortSignal.timeout(60_000);

test.skipIf(!isInstalled)(
  "its refusal of a start-up parameter is a configuration error that says what to set",
  async () => {
    const pool = new PostgresPool(await startPooler(["pool_mode = transaction"]), { max: 1 });
    onTestFinished(() => pool.close());
    const used = pool.use(signal(), ({ sql }) => sql`select 1`);
    await expect(used).rejects.toMatchObject({
      code: "CONFIGURATION",
      message: expect.stringMatching(/start-up parameter .*pool_mode = session and ignore_startup_parameters = /s),
    });
  },
);

test.skipIf(!isInstalled)("transaction mode that hides the parameters is found by the second connection", async () => {
  const url = await startPooler(["pool_mode = transaction", IGNORED_PARAMETERS]);
  const pool = new PostgresPool(url, { max: 2 });
  onTestFinished(() => pool.close());
  await pool.use(signal(), async () => {
    const second = pool.use(signal(), ({ sql }) => sql`select 1`);
    await expect(second).rejects.toMatchObject({
      code: "CONFIGURATION",
      message: expect.stringContaining("pool_mode = session"),
    });
  });
});

test.skipIf(!isInstalled)("session mode serves", async () => {
  const pool = new PostgresPool(await startPooler(["pool_mode = session", IGNORED_PARAMETERS]), { max: 3 });
  onTestFinished(() => pool.close());
  const pids = await Promise.all(
    [1, 2, 3].map(() => pool.use(signal(), async ({ sql, backend }) => (await sql`select 1`) && backend.pid)),
  );
  expect(new Set(pids).size).toBeGreaterThan(0);
  await pool.use(signal(), ({ sql }) => sql`select 1`);
});

test.skipIf(!isInstalled)(
  "PostgreSQL that starts behind it is an outage, which passes, and not a refusal",
  async (t) => {
    const fields = ["SFATAL", "VFATAL", "C57P03", "Mthe database system is starting up", ""];
    const text = Buffer.from(fields.map((field) => `${field}\0`).join(""));
    const answer = Buffer.concat([Buffer.from("E"), Buffer.alloc(4), text]);
    answer.writeInt32BE(text.length + 4, 1);
    // As a server in its crash recovery, which answers each start-up message alike.
    const starting = createServer(
      (socket) => void socket.on("data", () => socket.end(answer)).on("error", () => undefined),
    );
    t.onTestFinished(() => void starting.close());
    starting.listen(0, "127.0.0.1");
    await once(starting, "listening");
    const away = new URL(postgresUrl());
    away.port = String((starting.address() as AddressInfo).port);
    const pool = new PostgresPool(await startPooler(["pool_mode = session", IGNORED_PARAMETERS], away.href), {
      max: 1,
    });
    onTestFinished(() => pool.close());
    const used = pool.use(signal(), ({ sql }) => sql`select 1`);
    // PgBouncer passes it on with the SQLSTATE of a protocol violation.
    await expect(used).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", message: expect.stringContaining("08P01") });
  },
);

/** A caller's client on a PgBouncer before a database of its own. */
async function ownClient(t: Parameters<typeof openWorld>[0], mode: string, max: number) {
  const world = await openWorld(t, { faiss: false });
  const pooler = new URL(await startPooler([`pool_mode = ${mode}`, IGNORED_PARAMETERS], world.databaseUrl));
  const sql = postgres(pooler.href, { max, onnotice: () => undefined });
  const redis = new Redis(world.redisUrl);
  t.onTestFinished(async () => {
    redis.disconnect();
    await sql.end({ timeout: 1 });
  });
  return { world, sql, open: () => MemorySynchronizer.withClients({ sql, redis }, { redisPrefix: world.prefix }) };
}

test.skipIf(!isInstalled)("a caller's own client behind transaction mode is refused with what to set", async (t) => {
  const { sql, open } = await ownClient(t, "transaction", 4);
  await expect(open()).rejects.toMatchObject({
    code: "CONFIGURATION",
    message: expect.stringMatching(/shares the server's sessions .*pool_mode = session/s),
  });
  // The client is the caller's: all its connections are free again.
  expect(await Promise.all([1, 2, 3, 4].map((n) => sql`select ${n}::int as n`))).toHaveLength(4);
});

test.skipIf(!isInstalled)("a caller's own client behind session mode serves", async (t) => {
  const { world, open } = await ownClient(t, "session", 4);
  const sync = await open();
  t.onTestFinished(() => sync.close());
  const outcomes = await sync.syncBatch(world.memories(20));
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
});

test.skipIf(!isInstalled)(
  "behind session mode single writes, large chunks and changes go through, again and again",
  async (t) => {
    const world = await openWorld(t, { faiss: false });
    const postgresUrl = await startPooler(["pool_mode = session", IGNORED_PARAMETERS], world.databaseUrl);
    const options = { postgresUrl, redisUrl: world.redisUrl, redisPrefix: world.prefix };
    const sync = await MemorySynchronizer.connect(options);
    t.onTestFinished(() => sync.close());
    for (let turn = 0; turn < 4; turn++) {
      const { memoryId, ...fields } = world.memory(turn);
      expect(await sync.syncMemory(memoryId, fields)).toMatchObject({ status: "synced", version: 1 });
      const memories = world.memories(60, 1_000 + turn * 100);
      for (const version of [1, 2]) {
        const given = memories.map((memory) => ({ ...memory, content: `${memory.content}, revision ${version}` }));
        const outcomes = await sync.syncBatch(given);
        expect(new Set(outcomes.map((outcome) => `${outcome.status} ${outcome.version}`))).toEqual(
          new Set([`synced ${version}`]),
        );
      }
      // One of them exists: COPY is refused within a flight.
      const mixed = await sync.syncBatch([world.memory(1_000 + turn * 100), ...world.memories(60, 5_000 + turn * 100)]);
      expect(mixed.map(({ version }) => version)).toEqual([3, ...Array.from({ length: 60 }, () => 1)]);
    }
  },
);
