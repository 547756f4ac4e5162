import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LedgerSinkState } from "../../src/connectors/hosted/ledger-sink-state.ts";
import { DEAD_LETTERS_MAX, LedgerState } from "../../src/connectors/hosted/ledger-state.ts";
import { NO_COUNTS, type RunRecord } from "../../src/connectors/state/state.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase, type TestDatabase } from "../support/template-database.ts";
import { connectorStateConformance } from "./connector-state.ts";
import { sinkStateConformance } from "./sink-state.ts";

let database: TestDatabase;
let pool: PostgresPool;
let sql: postgres.Sql;
let states = 0;
beforeAll(async () => {
  database = await createTestDatabase(postgresUrl());
  pool = new PostgresPool(database.url, { max: 4 });
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await pool.close();
  await sql.end({ timeout: 1 });
  await database.drop();
});

const source = (connector: string) => new LedgerState(pool, { connector, namespace: "space", callTimeoutMs: 10_000 });
const sink = (connector: string) => new LedgerSinkState(pool, { connector, callTimeoutMs: 10_000 });

connectorStateConformance("PostgreSQL", async () => {
  const connector = `source-${states++}`;
  return { state: source(connector), reopen: async () => source(connector), close: async () => undefined };
});

sinkStateConformance("PostgreSQL", async () => {
  const connector = `sink-${states++}`;
  return { state: sink(connector), reopen: async () => sink(connector), close: async () => undefined };
});

const run = (id: string, fields: Partial<RunRecord> = {}): RunRecord => ({
  ...{ id, state: "running", scope: "full", counts: NO_COUNTS, startedAt: 1_000, endedAt: null },
  ...{ cursorBefore: null, cursorAfter: null, error: null },
  ...fields,
});
const none = { items: [], deadLetters: [], settled: [] };
const job = (id: string, leaseSeconds: number) => sql`
  insert into mnemosync.jobs (id, kind, state, input, resumable, lease_expires_at)
  values (${id}, 'connector', 'running', '{}', true, clock_timestamp() + ${leaseSeconds} * interval '1 second')`;

describe("the state of a connector in PostgreSQL, beyond what every state promises", () => {
  test("another run is named while its job lives, and taken for dead once the job's lease has ended", async () => {
    const [one, two] = [source("leased"), source("leased")];
    await job("job-1", 60);
    expect(await one.begin(run("job-1"))).toBeNull();
    expect(await two.begin(run("job-2"))).toMatchObject({ running: { id: "job-1", state: "running" } });
    await sql`update mnemosync.jobs set lease_expires_at = clock_timestamp() - interval '1 second' where id = 'job-1'`;
    expect(await two.begin(run("job-2"))).toBeNull();
    expect(await two.runs(2)).toMatchObject([{ id: "job-2" }, { id: "job-1", state: "interrupted" }]);
  });

  test("a process that the connector was taken from keeps nothing any more", async () => {
    const [one, two] = [source("taken"), source("taken")];
    await one.begin(run("job-3"));
    // The same run, in another process: its node was lost.
    await two.begin(run("job-3"));
    const item = { id: "a", memoryId: "a", hash: "late", seenIn: "job-3", state: "imported" } as const;
    await expect(one.checkpoint({ ...none, run: run("job-3"), items: [item] })).rejects.toMatchObject({
      code: "ABORTED",
    });
    await expect(one.end(run("job-3", { state: "succeeded", endedAt: 2 }), 5)).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect((await two.items(["a"])).size).toBe(0);
    expect(await two.cursor()).toBeNull();
    await two.checkpoint({ ...none, run: run("job-3"), items: [item] });
    await two.end(run("job-3", { state: "succeeded", endedAt: 2 }), 5);
    expect(await two.cursor()).toBe(5);
  });

  test("a dead letter that is there already takes no further place, and one that is settled makes room", async () => {
    const state = source("full");
    await state.begin(run("job-5"));
    await sql`
      insert into mnemosync.connector_dead_letters (connector, item_id, namespace, memory_id, code, reason, at, payload)
      select 'full', 'i' || n, 'space', 'm' || n, 'VALIDATION', 'no', clock_timestamp(), '{}'
      from generate_series(1, ${DEAD_LETTERS_MAX}) n`;
    const letter = (itemId: string) => ({
      ...{ itemId, memoryId: itemId, code: "VALIDATION", reason: "again", at: 1_000, payload: "{}" },
    });
    await state.checkpoint({ ...none, run: run("job-5"), deadLetters: [letter("i1"), letter("i2")] });
    expect(await state.lettersOf(["i1"])).toMatchObject([{ attempts: 2, reason: "again" }]);
    const one = { ...none, run: run("job-5"), deadLetters: [letter("new")] };
    await expect(state.checkpoint(one)).rejects.toThrow(`${DEAD_LETTERS_MAX} is the limit`);
    await state.checkpoint({ ...one, settled: ["i3"] });
    expect(await state.lettersOf(["new", "i3"])).toMatchObject([{ itemId: "new", attempts: 1 }]);
    expect((await state.letterIds()).slice(0, 3)).toEqual(["i1", "i2", "i4"]);
  });

  test("a run that is taken up again goes on under its id", async () => {
    const one = source("resumed");
    await one.begin(run("job-4"));
    await one.checkpoint({ ...none, run: run("job-4", { counts: { ...NO_COUNTS, created: 3 } }) });
    const two = source("resumed");
    expect(await two.run("job-4")).toMatchObject({ state: "running", counts: { created: 3 } });
    expect(await two.begin(run("job-4"))).toBeNull();
    expect(await two.runs(10)).toHaveLength(1);
  });
});
