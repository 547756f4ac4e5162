import { ConfigurationError } from "../domain/errors.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";

/** In `sync_meta` of a replica: the id of the ledger whose replica it is. A database with it is no ledger. */
export const REPLICA_OF = "replica_of";

/** The name of a replica's cursor in its primary begins with it. */
export const REPLICA_CURSORS = "replica/";
/** A replica in receipts of erasures, and among the stores that they await; its node is the replica's name. */
export const REPLICA_STORE = "replica";

/** Whether this ledger has a replica: a node registers it before it sends the first change. */
export async function isReplicated(sql: Sql): Promise<boolean> {
  const rows = await sql`
    select 1 from mnemosync.erasure_stores where store = ${REPLICA_STORE}
    union all
    select 1 from mnemosync.feed_cursors where starts_with(name, ${REPLICA_CURSORS})
    limit 1`;
  return rows.length > 0;
}

/** @throws {ConfigurationError} The database is a replica: writes to it would be lost, or spoil it. */
export async function refuseReplica(postgres: PostgresAccess, signal: AbortSignal): Promise<void> {
  await postgres.use(signal, async ({ sql }) => {
    const [row] = await sql<{ value: string }[]>`select value from mnemosync.sync_meta where name = ${REPLICA_OF}`;
    if (row === undefined) return;
    throw new ConfigurationError(
      `this database is the replica of ledger ${row.value}, so it cannot be opened as a ledger: open the primary. If that is lost, ` +
        "mnemosync replica promote makes the replica a ledger",
    );
  });
}
