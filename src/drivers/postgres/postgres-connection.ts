import { connect as connectTcp, type Socket } from "node:net";
import postgres from "postgres";
import { StoreUnavailableError } from "../../domain/errors.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import { FlightChannel } from "./flight-channel.ts";
import { checkSession, poolerError, type SessionToken, sessionToken } from "./pooler.ts";
import type { Backend, PostgresConnection } from "./postgres-access.ts";
import { classifyPostgresError } from "./postgres-errors.ts";
import type { PostgresTarget, SessionAttributes } from "./postgres-url.ts";
import { withReleasedOrigins } from "./released-origins.ts";

/** One socket to the server, which is never replaced by another one. */
export interface OwnedConnection extends PostgresConnection {
  /** Fires once the socket is gone. */
  readonly lost: AbortSignal;
  /** False once the socket is gone: a client must never reconnect by itself within a transaction. */
  usable(): boolean;
  destroy(): void;
}

/** How a connection is opened; as in `PostgresPoolOptions`. */
export interface ConnectionSettings {
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
  readonly applicationName: string;
  /** Called for notifications on channels that the connection listens to. */
  readonly onNotification?: (channel: string, payload: string) => void;
}

interface Session extends Backend, SessionToken {
  readonly standby: boolean;
  readonly readOnly: boolean;
}

/**
 * Opens a connection to the first of `targets`, in order, that answers and is of the wanted kind.
 * @throws the driver's errors, or one error with the reason of each target, or the reason of `signal`.
 */
export async function openConnection(
  targets: readonly PostgresTarget[],
  wanted: SessionAttributes,
  options: ConnectionSettings,
  signal: AbortSignal,
): Promise<{ connection: OwnedConnection; target: PostgresTarget }> {
  const rounds: SessionAttributes[] = wanted === "prefer-standby" ? ["standby", "any"] : [wanted];
  const failures: { target: PostgresTarget; error: unknown }[] = [];
  for (const round of rounds) {
    for (const target of targets) {
      try {
        return { connection: await openTarget(target, round, options, signal), target };
      } catch (error) {
        if (signal.aborted) throw error;
        failures.push({ target, error });
      }
    }
  }
  const last = failures.at(-1)?.error;
  // A wrong password or a missing database is not an outage, whichever server reports it.
  const isOutage = failures.some(({ error }) => classifyPostgresError(error) === "unavailable");
  if (targets.length === 1 || !isOutage) throw last;
  const reasons = failures.map(({ target, error }) => `${target.name}: ${(error as Error).message}`);
  throw new StoreUnavailableError("postgres", `no server of the list can be used (${reasons.join("; ")})`, {
    cause: last,
  });
}

function fits(session: Session, wanted: SessionAttributes): boolean {
  if (wanted === "read-write") return !session.readOnly;
  if (wanted === "read-only") return session.readOnly;
  if (wanted === "primary") return !session.standby;
  if (wanted === "standby") return session.standby;
  return true;
}

async function openTarget(
  target: PostgresTarget,
  wanted: SessionAttributes,
  options: ConnectionSettings,
  signal: AbortSignal,
): Promise<OwnedConnection> {
  let socket: Socket | undefined;
  let dead = false;
  const lost = new LinkedAbort();
  const driver = postgres(target.url, {
    max: 1,
    ...(target.address && { host: [target.address.host], port: [target.address.port] }),
    ...(target.ssl && { ssl: target.ssl }),
    idle_timeout: 0,
    fetch_types: false, // The ledger writes arrays as text itself.
    max_lifetime: null,
    connect_timeout: options.connectTimeoutMs / 1_000,
    backoff: false,
    onnotice: () => undefined,
    onnotify: options.onNotification,
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs,
      lock_timeout: options.lockTimeoutMs,
      idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs,
    },
    // The driver reconnects by itself, also within a transaction, and cannot drop a socket whose peer went silent. So the
    // socket is ours, which can be destroyed, and is given once: a lost connection must not come back as another one.
    socket: async (target: { host: string[]; port: number[]; path?: string | false }) => {
      if (dead || socket !== undefined)
        throw Object.assign(new Error("the connection was lost"), { code: "CONNECTION_CLOSED" });
      socket = await connectSocket(target, options.connectTimeoutMs);
      socket.once("close", () => {
        dead = true;
        lost.abort(Object.assign(new Error("the connection was lost"), { code: "CONNECTION_CLOSED" }));
      });
      return socket;
    },
  } as unknown as postgres.Options<Record<string, never>>);
  const sql = withReleasedOrigins(driver);
  const destroy = (): void => {
    dead = true;
    socket?.destroy();
    sql.end({ timeout: 0 }).catch(ignoreEndOfDestroyed);
  };
  try {
    const opened = sql<Session[]>`
      select pid, extract(epoch from backend_start)::text as "startedAt",
             pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as "readOnly",
             ${sessionToken(sql)}
      from pg_stat_activity where pid = pg_backend_pid()`.execute();
    const [row] = await untilAborted(opened, signal);
    if (row !== undefined) checkSession(row);
    if (row === undefined) throw new StoreUnavailableError("postgres", "the server does not know its own process");
    if (!fits(row, wanted)) {
      const found = row.standby ? "a standby" : row.readOnly ? "read-only" : "a primary";
      throw new StoreUnavailableError("postgres", `the server is ${found}, and target_session_attrs is ${wanted}`);
    }
    const flights = socket === undefined ? undefined : FlightChannel.over(socket);
    if (flights !== undefined) onAbort(lost.signal, () => flights.lose(lost.signal.reason as Error));
    return {
      sql,
      backend: { pid: row.pid, startedAt: row.startedAt },
      sendsAtOnce: true,
      flights,
      usable: () => !dead,
      lost: lost.signal,
      destroy,
    };
  } catch (error) {
    destroy();
    throw poolerError(error);
  }
}

function ignoreEndOfDestroyed(): void {
  // Its queries were rejected one by one already.
}

/** Sends Terminate to the server, and destroys the connection even if that failed. */
export async function endConnection(connection: OwnedConnection): Promise<void> {
  try {
    await connection.sql.end({ timeout: 1 });
  } finally {
    connection.destroy();
  }
}

/**
 * A socket without Nagle's algorithm (TCP_NODELAY), which the driver leaves on: a COPY is many small messages, and each
 * batch would wait 40 ms for the server's delayed acknowledgement.
 */
function connectSocket(
  target: { host: string[]; port: number[]; path?: string | false },
  timeoutMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const host = target.host[0] ?? "localhost";
    const port = target.port[0] ?? 5432;
    const socket = target.path ? connectTcp({ path: target.path }) : connectTcp({ host, port, noDelay: true });
    // The driver reads these two properties for TLS.
    Object.assign(socket, { host, port });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: "CONNECT_TIMEOUT" }));
    }, timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.setKeepAlive(true, 10_000);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
