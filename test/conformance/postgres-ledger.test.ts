import postgres from "postgres";
import { expect, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { describeLedger } from "./ledger.ts";
import { keyOf, LedgerUnderTest, type OpenLedger, soon } from "./ledger-suite.ts";

async function open(): Promise<OpenLedger> {
  const database = await createTestDatabase(postgresUrl());
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const pools = [new PostgresPool(database.url, { max: 10 }), new PostgresPool(database.url, { max: 10 })] as const;
  return {
    one: new Ledger(pools[0], { nodeId: "one" }),
    two: new Ledger(pools[1], { nodeId: "two" }),
    damage: async ({ namespace, memoryId }, what) => {
      const at = sql`(namespace, memory_id, version) = (
        select namespace, memory_id, version from mnemosync.memory_versions where namespace = ${namespace} and memory_id = ${memoryId})`;
      if (what === "document")
        await sql`update mnemosync.memory_bodies set document = '{"content":"forged"}' where ${at}`;
      else if (what === "no document") await sql`delete from mnemosync.memory_bodies where ${at}`;
      else if (what === "stray document") await sql`update mnemosync.memory_bodies set document = '{}' where ${at}`;
      else
        await sql`update mnemosync.memory_bodies set embedding = set_byte(embedding, 3, get_byte(embedding, 3) # 1) where ${at}`;
    },
    clear: async () => {
      await sql`
        truncate mnemosync.stores, mnemosync.memory_versions, mnemosync.memory_bodies, mnemosync.sync_transactions,
          mnemosync.sync_queue, mnemosync.idempotency_keys, mnemosync.conflict_resolutions, mnemosync.check_progress`;
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.close()));
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

describeLedger("Postgres", open);

const subject = new LedgerUnderTest(open);

test("a call whose deadline passed, or that was given up, rejects with a typed error", async () => {
  const late = AbortSignal.abort(new DOMException("time is up", "TimeoutError"));
  await expect(subject.one.readVersions([keyOf("a")], late)).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    store: "postgres",
  });
  await expect(subject.one.statistics(1, AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
  expect(await subject.one.health(late)).toMatchObject({ state: "down" });
  expect(await subject.one.health(soon())).toEqual({ state: "healthy" });
});
