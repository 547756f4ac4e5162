import { readFileSync } from "node:fs";
import postgres from "postgres";
import type { TestContext } from "vitest";
import { feedShown } from "./feed-shown.ts";
import { postgresUrl } from "./services.ts";
import { createTestDatabase } from "./template-database.ts";

/** Below which a fresh server's transaction ids may be; the dumps' are about 800. */
const XID_MIN = 1_000;

/**
 * A database with the ledger that `test/data/<name>.sql` holds, as the older program left it: see
 * `scripts/write-old-stores.mjs`. It is gone when the test has ended.
 */
export async function loadLedger(t: TestContext, name: string): Promise<{ url: string; sql: postgres.Sql }> {
  const database = await createTestDatabase(postgresUrl(), { empty: true });
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  t.onTestFinished(async () => {
    await sql.end({ timeout: 1 });
    await database.drop();
  });
  await passTransactionIds(sql);
  await feedShown({ sql }); // An index that opens on it finds all of it.
  await sql.unsafe(readFileSync(new URL(`../data/${name}.sql`, import.meta.url), "utf8"));
  return { url: database.url, sql };
}

/**
 * A migration finds the ledger in the server that wrote it, past every transaction id in it. A fresh server of a test run
 * may not be there yet, and then its change feed would hold those rows back.
 */
async function passTransactionIds(sql: postgres.Sql): Promise<void> {
  const [row] = await sql<{ xid: string }[]>`select pg_snapshot_xmax(pg_current_snapshot())::text as xid`;
  const missing = Math.max(0, XID_MIN - Number(row?.xid));
  for (let count = 0; count < missing; count++) await sql`select pg_current_xact_id()`;
}
