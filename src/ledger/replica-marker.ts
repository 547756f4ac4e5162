import { ConfigurationError } from "../domain/errors.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";

/** In `sync_meta` of a replica: the id of the ledger whose replica it is. A database with it is no ledger. */
export const REPLICA_OF = "replica_of";

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
