import * as z from "zod";
import { milliseconds, ONCE, urlOf, wholeNumber } from "../domain/settings.ts";
import { parsePostgresUrl } from "./postgres/postgres-url.ts";
import { parseRedisUrl, REDIS_PROTOCOLS } from "./redis/redis-url.ts";

/** In place of a Redis URL: the deployment has no Redis. */
export const NO_REDIS = "none";

/** The connections to PostgreSQL and Redis. */
export const connectionSettings = z.strictObject({
  postgresUrl: urlOf(parsePostgresUrl, ["postgres", "postgresql"]).describe(
    "Address of the ledger: postgres://user:password@host:port/database; several hosts with target_session_attrs, TLS " +
      "with sslmode and sslrootcert",
  ),
  redisUrl: urlOf(parseRedisUrl, REDIS_PROTOCOLS, NO_REDIS).describe(
    "Address of the working memory: redis://host:port/number, or rediss:// for TLS; " +
      "redis+sentinel://host,host/master/0; redis+cluster://host,host; none: no Redis",
  ),
  postgresConnectionsMin: wholeNumber(0, 500)
    .default(10)
    .describe("Connections to Postgres that a running service keeps open, postgresConnectionsMax at most"),
  postgresConnectionsMax: wholeNumber(2, 500).default(20).describe("Connections to Postgres, at most"),
  redisConnectionsMax: wholeNumber(1, 1_000).default(50).describe("Connections to Redis, at most"),
  connectTimeoutMs: milliseconds(10)
    .default(5_000)
    .describe("Milliseconds that opening a connection to Postgres or Redis may take"),
  commandTimeoutMs: milliseconds(100)
    .default(60_000)
    .describe("Milliseconds that a statement may take before Postgres cancels it"),
  lockTimeoutMs: milliseconds(10)
    .default(5_000)
    .describe("Milliseconds that a statement waits for a row lock before its transaction is retried"),
  connectionWaitingMax: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe("Calls that may wait for a connection; further ones are refused at once"),
  connectionLifetimeMs: milliseconds(1_000)
    .default(1_800_000)
    .describe("Milliseconds after which an idle connection is replaced by a new one"),
  idleInTransactionTimeoutMs: milliseconds(100)
    .default(60_000)
    .describe("Milliseconds after which Postgres ends a transaction of this program that sends nothing"),
  connectionIdleMs: milliseconds(100)
    .default(60_000)
    .describe("Milliseconds after which an idle connection beyond the minimum is closed"),
  healthCheckIntervalMs: milliseconds(50)
    .default(30_000)
    .describe("Milliseconds between health checks of a healthy store; others are checked four times as often"),
  reconnectIntervalMs: milliseconds(50)
    .default(5_000)
    .describe("Milliseconds between attempts to reconnect to Redis, at most"),
});

/** The settings of the connections, with their defaults filled in. */
export type ConnectionSettings = z.output<typeof connectionSettings>;

/** The defaults, for pools that a program makes without a configuration. */
export const CONNECTION_DEFAULTS: Readonly<Omit<ConnectionSettings, "postgresUrl" | "redisUrl">> = connectionSettings
  .omit({ postgresUrl: true, redisUrl: true })
  .parse({}, ONCE);
