import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import type { PostgresAccess } from "../../src/drivers/postgres/postgres-access.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { CheckLedger } from "../../src/ledger/check-ledger.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { withoutFlights } from "../support/without-flights.ts";
import { describeCheckRecords, type OpenCheckRecords } from "./check-records.ts";

const WAYS: Readonly<Record<string, (pool: PostgresPool) => PostgresAccess>> = {
  Postgres: (pool) => pool,
  "Postgres over TLS": withoutFlights, // And over connections of a client that the caller owns.
};

for (const [name, way] of Object.entries(WAYS)) describeCheckRecords(name, () => open(way));

async function open(way: (pool: PostgresPool) => PostgresAccess): Promise<OpenCheckRecords> {
  const database = await createTestDatabase(postgresUrl());
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  const pool = new PostgresPool(database.url, { max: 4 });
  const node = (nodeId: string): CheckLedger => new CheckLedger(way(pool), { nodeId, callTimeoutMs: 20_000 });
  return {
    one: node("one"),
    two: node("two"),
    wait: (milliseconds) => delay(milliseconds), // The server's clock can't be moved.
    clear: async () => {
      await sql`
        truncate mnemosync.conflict_resolutions, mnemosync.check_progress, mnemosync.check_findings, mnemosync.leases`;
      await sql`delete from mnemosync.sync_meta where name like 'generation:%'`;
    },
    close: async () => {
      await pool.close();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}
