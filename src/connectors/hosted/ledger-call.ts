import type { PostgresAccess, Sql } from "../../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../../runtime/deadline.ts";

/** The ledger's database, and the milliseconds that one call to it may take. */
export interface LedgerAccess {
  readonly postgres: PostgresAccess;
  readonly callTimeoutMs: number;
}

/** One call to the ledger's database, ended by its deadline or by `signal`. */
export async function callLedger<T>(
  { postgres, callTimeoutMs }: LedgerAccess,
  signal: AbortSignal | undefined,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  return await withDeadline(callTimeoutMs, signal, (deadline) => postgres.use(deadline, ({ sql }) => work(sql)));
}
