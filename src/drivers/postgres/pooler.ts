import { randomUUID } from "node:crypto";
import { ConfigurationError } from "../../domain/errors.ts";
import type { Fragment, Sql } from "./postgres-access.ts";

/** Columns that tell whether this connection has a server process of its own. */
export interface SessionToken {
  /** The token of another connection, on the server process of this one; null or empty: none. */
  readonly before: string | null;
}

const NEXT =
  "Transaction and statement pooling cannot be used: what a connection sets, prepares and locks would belong to others. " +
  "Give the address of PostgreSQL itself (the program has a pool of its own), or of a PgBouncer database with " +
  "pool_mode = session and ignore_startup_parameters = statement_timeout, lock_timeout, idle_in_transaction_session_timeout";

/**
 * Reads the token that an earlier connection left on this server process, and leaves one. A process belongs to one
 * connection for as long as that lives, unless a pooler hands it from one to the next within their lives; a pooler in
 * session mode clears it in between (DISCARD ALL).
 */
export function sessionToken(sql: Sql): Fragment {
  return sql`nullif(current_setting('mnemosync.session', true), '') as before,
             set_config('mnemosync.session', ${randomUUID()}, false) as token`;
}

/** @throws {ConfigurationError} The server process serves other connections too: a pooler by transaction stands before it. */
export function checkSession({ before }: SessionToken): void {
  if (before !== null) throw sharedSessions();
}

/** Turns of two connections: one shows a pooler that hands out the process which was freed last; the others raise the chance to meet another one. */
const TURNS = 3;

/**
 * As `checkSession`, for connections whose beginning this program did not see: two that are open at a time have two server
 * processes, the same ones in each turn. In the simple protocol, since a pooler may lose prepared statements.
 * @throws {ConfigurationError} They share a process.
 */
export async function checkTwoSessions(first: Sql, second: Sql): Promise<void> {
  let before = "";
  for (let turn = 0; turn < TURNS; turn++) {
    const pids = [await processOf(first), await processOf(second)];
    const isShared = pids[0] === pids[1] || (turn > 0 && before !== pids.join());
    if (isShared) throw sharedSessions();
    before = pids.join();
  }
}

async function processOf(sql: Sql): Promise<number | undefined> {
  const [row] = await sql.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid").simple();
  return row?.pid;
}

function sharedSessions(): ConfigurationError {
  return new ConfigurationError(`a pooler shares the server's sessions between connections. ${NEXT}`);
}

/** A pooler's refusal of start-up parameters, as what is to be set; any other error as it is. */
export function poolerError(error: unknown): unknown {
  const message = (error as Error | null)?.message ?? "";
  const parameter = /unsupported startup parameter:? "?([\w.]+)/i.exec(message)?.[1];
  if (parameter === undefined) return error;
  return new ConfigurationError(`a pooler refused the start-up parameter ${parameter}. ${NEXT}`, { cause: error });
}
