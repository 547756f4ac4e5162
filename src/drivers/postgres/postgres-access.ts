import type postgres from "postgres";
import type { PoolStatistics } from "../../runtime/lease-pool.ts";
import type { FlightChannel } from "./flight-channel.ts";

/** A tagged-template client. Inside `use` it is one connection; nothing else runs on it meanwhile. */
export type Sql = postgres.Sql;

/** A part of a statement, with its parameters. */
export type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** A statement that is not sent yet: the driver sends it once it is awaited or executed. */
export type Statement<Row extends object> = postgres.PendingQuery<Row[]>;

export interface PostgresConnection {
  readonly sql: Sql;
  /** The server process behind the connection, for making sure that it is gone. */
  readonly backend: Backend;
  /** Whether small messages go out at once (TCP_NODELAY): otherwise each COPY waits 40 ms for an acknowledgement. */
  readonly sendsAtOnce: boolean;
  /** Sends flights between the driver's statements. Absent for TLS, and for connections of a client that the caller owns. */
  readonly flights?: FlightChannel | undefined;
  /** Drops the connection, and its transaction with it. Absent for connections of a client that the caller owns. */
  destroy?(): void;
}

/** Names a server process: process ids are given out again. */
export interface Backend {
  readonly pid: number;
  /** Seconds since 1970, as text. */
  readonly startedAt: string;
}

/** Hands out connections: `PostgresPool` its own ones, `BorrowedPostgres` those of a client that the caller owns. */
export interface PostgresAccess {
  /**
   * Runs `work` on a connection of its own. When `signal` fires, the connection is destroyed, so that nothing hangs on
   * a link that is half open: what was sent may or may not have happened.
   * @throws {StoreUnavailableError} {StoreRefusedError} in place of the driver's errors
   */
  use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T>;
  /**
   * Calls `onSignal` for notifications on `channel`, on a connection of its own beside the others, until that is lost.
   * @param begin makes the connection listen.
   * @throws {StoreUnavailableError} {StoreRefusedError}
   */
  listen(
    channel: string,
    begin: (sql: Sql) => Promise<void>,
    onSignal: (payload: string) => void,
    signal: AbortSignal,
  ): Promise<FeedListener>;
  /** Connections by state, for metrics. */
  statistics(): PoolStatistics;
  close(): Promise<void>;
}

/** A connection that receives notifications. */
export interface FeedListener {
  /** False once the connection is lost: it is not opened again by itself. */
  usable(): boolean;
  /** Safe twice. */
  close(): void;
}
