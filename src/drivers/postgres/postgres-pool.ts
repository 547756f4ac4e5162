import { ClosedError } from "../../domain/errors.ts";
import { storeAbortError, untilAborted } from "../../runtime/deadline.ts";
import type { ProbeAnswer } from "../../runtime/health-monitor.ts";
import { LeasePool, type PoolCounts, type PoolStatistics } from "../../runtime/lease-pool.ts";
import { CONNECTION_DEFAULTS } from "../settings.ts";
import type { FeedListener, PostgresAccess, PostgresConnection, Sql } from "./postgres-access.ts";
import { endConnection, type OwnedConnection, openConnection } from "./postgres-connection.ts";
import { postgresError } from "./postgres-errors.ts";
import { type PostgresTarget, parsePostgresUrl, type SessionAttributes } from "./postgres-url.ts";

export interface PostgresPoolOptions {
  /** Connections that `maintain` keeps open, however idle they are. @default 0 */
  min?: number;
  /** Connections at most. @default 20 */
  max?: number;
  /** Calls that may wait for a connection; more are refused at once. @default 10_000 */
  waitingMax?: number;
  /** Milliseconds for establishing one connection. @default 5_000 */
  connectTimeoutMs?: number;
  /** Milliseconds after which the server itself cancels a statement. @default 60_000 */
  statementTimeoutMs?: number;
  /** Milliseconds that a statement waits for a row's lock before the transaction is retried. @default 5_000 */
  lockTimeoutMs?: number;
  /** Milliseconds after which the server ends an idle transaction of ours. @default 60_000 */
  idleInTransactionTimeoutMs?: number;
  /** Milliseconds after which a connection is replaced by a new one, when idle. @default 1_800_000 (30 min) */
  lifetimeMs?: number;
  /** Milliseconds after which an idle connection beyond `min` is closed by `maintain`. @default 60_000 */
  idleTimeoutMs?: number;
  applicationName?: string;
  /** Called after each piece of work, and after each failure to get a connection: whether the server answered. */
  onUsed?: (answered: boolean) => void;
}

/**
 * A pool of single-connection clients. The driver's own pool cannot abandon a connection whose peer went silent. It also
 * cannot tell whether a statement of a transaction ran on a second connection after the first was lost. Here a connection is
 * one socket, which is destroyed when a deadline passes.
 */
export class PostgresPool implements PostgresAccess {
  readonly #sessionAttributes: SessionAttributes;
  readonly #options: Required<PostgresPoolOptions>;
  readonly #pool: LeasePool<OwnedConnection>;
  readonly #listening = new Set<OwnedConnection>();
  /** In the order in which they are tried: the one that worked last time first. */
  #targets: readonly PostgresTarget[];

  /** Opens nothing yet. @throws {ConfigurationError} The URL is malformed. */
  constructor(url: string, options: PostgresPoolOptions = {}) {
    const { targets, sessionAttributes } = parsePostgresUrl(url);
    this.#targets = targets;
    this.#sessionAttributes = sessionAttributes;
    this.#options = {
      min: 0,
      max: CONNECTION_DEFAULTS.postgresConnectionsMax,
      waitingMax: CONNECTION_DEFAULTS.connectionWaitingMax,
      connectTimeoutMs: CONNECTION_DEFAULTS.connectTimeoutMs,
      statementTimeoutMs: CONNECTION_DEFAULTS.commandTimeoutMs,
      lockTimeoutMs: CONNECTION_DEFAULTS.lockTimeoutMs,
      idleInTransactionTimeoutMs: CONNECTION_DEFAULTS.idleInTransactionTimeoutMs,
      lifetimeMs: CONNECTION_DEFAULTS.connectionLifetimeMs,
      idleTimeoutMs: CONNECTION_DEFAULTS.connectionIdleMs,
      applicationName: "mnemosync",
      onUsed: () => undefined,
      ...options,
    };
    this.#pool = new LeasePool<OwnedConnection>(
      {
        open: (signal) => this.#open(signal),
        isUsable: (connection) => connection.usable(),
        destroy: (connection) => connection.destroy(),
        end: endConnection,
        openError: postgresError,
        workError: postgresError,
      },
      { store: "postgres", ...this.#options },
    );
  }

  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    // The driver leaves a query unsettled that was given to it in the moment in which the socket was reset.
    return await this.#pool.use(signal, (connection) => untilAborted(work(connection), connection.lost));
  }

  async listen(
    channel: string,
    begin: (sql: Sql) => Promise<void>,
    onSignal: (payload: string) => void,
    signal: AbortSignal,
  ): Promise<FeedListener> {
    if (this.#pool.isClosed) throw new ClosedError("the connection pool of postgres");
    const onNotification = (heard: string, payload: string): void => {
      if (heard === channel) onSignal(payload);
    };
    let connection: OwnedConnection | null = null;
    try {
      const options = { ...this.#options, onNotification };
      connection = (await openConnection(this.#targets, this.#sessionAttributes, options, signal)).connection;
      await untilAborted(begin(connection.sql), signal);
    } catch (error) {
      connection?.destroy();
      throw signal.aborted ? storeAbortError("postgres", signal, error) : postgresError(error);
    }
    const opened = connection;
    this.#listening.add(opened);
    if (this.#pool.isClosed) opened.destroy();
    return {
      usable: () => opened.usable(),
      close: () => {
        this.#listening.delete(opened);
        opened.destroy();
      },
    };
  }

  statistics(): PoolStatistics {
    return this.#pool.statistics();
  }

  counts(): PoolCounts {
    return this.#pool.counts();
  }

  /**
   * Closes idle connections that are too old, dead or too many, and opens new ones up to `min`. The owner calls it from
   * time to time. @throws {StoreUnavailableError} The server takes no connection.
   */
  async maintain(signal: AbortSignal): Promise<void> {
    await this.#pool.maintain(signal);
  }

  /** Asks the server whether it takes writes: `degraded` while it is read-only. */
  async probe(signal: AbortSignal): Promise<ProbeAnswer> {
    const isReadOnly = await this.use(signal, async ({ sql }) => {
      const [row] = await sql<{ read_only: boolean }[]>`
        select current_setting('transaction_read_only') = 'on' as read_only`;
      return row?.read_only === true;
    });
    return isReadOnly ? { state: "degraded", reason: "the server takes no writes" } : { state: "healthy" };
  }

  /** Ends idle connections and destroys the rest: work that still uses one fails. */
  async close(): Promise<void> {
    const closed = this.#pool.close();
    for (const connection of this.#listening) connection.destroy();
    await closed;
  }

  async #open(signal: AbortSignal): Promise<OwnedConnection> {
    const { connection, target } = await openConnection(this.#targets, this.#sessionAttributes, this.#options, signal);
    if (target !== this.#targets[0]) {
      this.#targets = [target, ...this.#targets.filter((other) => other !== target)];
    }
    return connection;
  }
}
