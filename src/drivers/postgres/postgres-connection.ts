import { Socket } from "node:net";
import postgres from "postgres";
import { StoreUnavailableError } from "../../domain/errors.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import { FlightChannel } from "./flight-channel.ts";
import { checkSession, poolerError, type SessionToken, sessionToken } from "./pooler.ts";
import type { Backend, PostgresConnection } from "./postgres-access.ts";
import { classifyPostgresError } from "./postgres-errors.ts";
import { openSocket, type ServerAddress, type TlsSettings, tlsSettings } from "./postgres-socket.ts";
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
  let askedFor: ServerAddress | undefined;
  let dead = false;
  const lost = new LinkedAbort();
  const settings = {
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
  };
  const tls = tlsSettings(newDriver(target.url, settings).options);
  const driver = newDriver(target.url, {
    ...settings,
    ssl: false, // The socket has it.
    // The driver reconnects by itself, also within a transaction, and cannot drop a socket whose peer went silent. So the
    // socket is ours, which can be destroyed, and is given once: a lost connection must not come back as another one.
    socket: async (address: ServerAddress) => {
      if (dead) throw connectionLost();
      if (askedFor === address) return await socketForCancel(address, tls, options.connectTimeoutMs, lost.signal);
      if (askedFor !== undefined) throw connectionLost(); // Not for this connection: for the driver's own `listen`.
      askedFor = address;
      const opened = await openSocket(address, tls, options.connectTimeoutMs, signal);
      opened.once("close", () => {
        dead = true;
        lost.abort(connectionLost());
      });
      socket = opened;
      if (dead) opened.destroy(); // Given up in the last moment.
      return opened;
    },
  });
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

/** A client of the driver, which opens nothing before its first statement. */
function newDriver(url: string, settings: object): postgres.Sql {
  return postgres(url, settings as postgres.Options<Record<string, never>>);
}

function connectionLost(): Error {
  return Object.assign(new Error("the connection was lost"), { code: "CONNECTION_CLOSED" });
}

/**
 * A socket for the driver's request to cancel the statement that runs, which goes over a connection of its own: to the same
 * server, and over TLS where that is asked for, since it bears the secret of the session.
 *
 * Where none can be had, one that is closed: then the statement goes on until its deadline. The driver drops the error of
 * such a request where nobody can catch it, which would end the process.
 */
async function socketForCancel(
  address: ServerAddress,
  tls: TlsSettings | null,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    return await openSocket(address, tls, timeoutMs, signal);
  } catch {
    return new Socket().destroy();
  }
}
