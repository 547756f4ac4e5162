import type { PostgresAccess, PostgresConnection, Sql } from "../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../runtime/deadline.ts";

/**
 * Runs `work` on a connection of `postgres`: the primary, or the replica.
 * @param callTimeoutMs milliseconds that it may take, waiting for a connection included.
 * @throws {StoreUnavailableError} {StoreRefusedError}
 */
export async function callSide<T>(
  { callTimeoutMs }: { readonly callTimeoutMs: number },
  postgres: PostgresAccess,
  signal: AbortSignal,
  work: (sql: Sql, connection: PostgresConnection) => Promise<T>,
): Promise<T> {
  return await withDeadline(callTimeoutMs, signal, (deadline) =>
    postgres.use(deadline, (connection) => work(connection.sql, connection)),
  );
}
