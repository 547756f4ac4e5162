import { StoreRefusedError, StoreUnavailableError } from "../domain/errors.ts";
import type { FeedListener, PostgresAccess, PostgresConnection, Sql } from "../drivers/postgres/postgres-access.ts";
import { PostgresPool } from "../drivers/postgres/postgres-pool.ts";
import { HealthMonitor } from "../runtime/health-monitor.ts";
import type { PoolStatistics } from "../runtime/lease-pool.ts";
import type { HealthState } from "../runtime/store-health.ts";
import type { ReplicaSettings } from "./settings.ts";

/** The replica in errors, logs and metrics. */
export const REPLICA_ID = "replica";

/** A node's connections to the replica. */
export interface ReplicaConnection {
  readonly pool: PostgresAccess;
  readonly monitor: HealthMonitor;
  close(): Promise<void>;
}

export interface ConnectionHooks {
  readonly onChanged?: (from: HealthState, to: HealthState, reason: string | null) => void;
}

/** Opens nothing yet. Null: there is no replica. */
export function replicaConnection(
  settings: Pick<ReplicaSettings, "enabled" | "postgresUrl" | "connectionsMax" | "healthCheckIntervalMs">,
  { onChanged }: ConnectionHooks,
): ReplicaConnection | null {
  const { enabled, postgresUrl, connectionsMax, healthCheckIntervalMs } = settings;
  if (!enabled || postgresUrl === undefined) return null;
  const pool = new PostgresPool(postgresUrl, { max: connectionsMax, applicationName: "mnemosync-replica" });
  const monitor = new HealthMonitor({
    store: REPLICA_ID,
    probe: (signal) => pool.probe(signal),
    intervalMs: healthCheckIntervalMs,
    ...(onChanged && { onChanged }),
  });
  return { pool: new ReplicaAccess(pool), monitor, close: () => pool.close() };
}

/** Connections whose errors name the replica: the primary is another PostgreSQL. */
export class ReplicaAccess implements PostgresAccess {
  readonly #pool: PostgresAccess;

  constructor(pool: PostgresAccess) {
    this.#pool = pool;
  }

  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.use(signal, work);
    } catch (error) {
      throw namedError(error);
    }
  }

  async listen(
    channel: string,
    begin: (sql: Sql) => Promise<void>,
    onSignal: (payload: string) => void,
    signal: AbortSignal,
  ): Promise<FeedListener> {
    try {
      return await this.#pool.listen(channel, begin, onSignal, signal);
    } catch (error) {
      throw namedError(error);
    }
  }

  statistics(): PoolStatistics {
    return this.#pool.statistics();
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

function namedError(error: unknown): unknown {
  if (error instanceof StoreUnavailableError && error.store !== REPLICA_ID) {
    return new StoreUnavailableError(REPLICA_ID, withoutName(error, "is unavailable"), { cause: error.cause ?? error });
  }
  if (error instanceof StoreRefusedError && error.store !== REPLICA_ID) {
    const { retryable, cause = error } = error;
    return new StoreRefusedError(REPLICA_ID, withoutName(error, "refused"), { cause, retryable });
  }
  return error;
}

function withoutName(error: StoreUnavailableError | StoreRefusedError, what: string): string {
  const prefix = `${error.store} ${what}: `;
  return error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
}
