import { z } from "zod";
import { DEFAULT_STRATEGY } from "../conflict/registry.ts";
import { DRIFT_KINDS } from "../consistency/check/report.ts";
import { parsePostgresUrl } from "../drivers/postgres/postgres-url.ts";
import { parseRedisUrl, REDIS_PROTOCOLS } from "../drivers/redis/redis-url.ts";

const milliseconds = (minimum: number) => z.number().int().min(minimum).max(86_400_000);

/** A URL of one of the protocols, several hosts allowed. It may hold a password, so messages don't repeat it. */
function urlOf(parse: (url: string) => unknown, protocols: readonly string[], otherwise?: string) {
  const expected = `expected a URL that begins with ${protocols.map((protocol) => `${protocol}://`).join(" or ")}${otherwise === undefined ? "" : `, or ${otherwise}`}`;
  return z
    .string()
    .superRefine((text, context) => {
      if (text === otherwise) return;
      const message = protocols.includes(text.slice(0, text.indexOf("://"))) ? refusalOf(() => parse(text)) : expected;
      if (message !== null) context.addIssue({ code: "custom", message });
    })
    .meta({ secret: true });
}

/** In place of a Redis URL: the deployment has no Redis. */
export const NO_REDIS = "none";

function refusalOf(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Every option that a file, the environment or a flag can set, declared once: bounds and default here, the environment
 * name and the flag derived from its path, the description shown by `--help`.
 */
export const optionsSchema = z.strictObject({
  postgresUrl: urlOf(parsePostgresUrl, ["postgres", "postgresql"]).describe(
    "Where the ledger is: postgres://user:password@host:port/database; several hosts with target_session_attrs, TLS " +
      "with sslmode and sslrootcert",
  ),
  redisUrl: urlOf(parseRedisUrl, REDIS_PROTOCOLS, NO_REDIS).describe(
    "Where the working memory is: redis://host:port/number, or rediss:// for TLS; redis+sentinel://host,host/master/0; " +
      "redis+cluster://host,host; none: no Redis",
  ),
  redisPrefix: z
    .string()
    .regex(/^[^:\s]{1,64}$/, "expected 1 to 64 characters without colon or white space")
    .default("mnemosync")
    .describe("What every Redis key begins with"),
  redisStoreEmbedding: z
    .boolean()
    .default(true)
    .describe("Whether Redis holds the vectors too; without them, memories with a vector are read from Postgres"),
  redisTombstoneTtlMs: milliseconds(1_000)
    .default(86_400_000)
    .describe("Milliseconds that Redis remembers a deleted memory's version"),
  nodeId: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    .optional()
    .describe("Names this node in version vectors and queues; made from the host name and the index folder by default"),
  faiss: z
    .strictObject({
      directory: z.string().min(1).describe("Folder of the vector index; one process at a time may use it"),
      dimension: z.number().int().min(1).max(16_384).default(384).describe("Numbers per vector"),
      metric: z.enum(["cosine", "ip", "l2"]).default("cosine").describe("How vectors are compared"),
      model: z.string().min(1).max(256).optional().describe("The embedding model whose vectors the index holds"),
      factory: z
        .string()
        .regex(/^[A-Za-z0-9_,()[\]-]{1,64}$/, 'expected a factory string of FAISS, like "HNSW32" or "IVF1024,Flat"')
        .default("Flat")
        .describe(
          "Main index of large namespaces as FAISS's factory takes it: Flat is exact, HNSW32 and others are faster",
        ),
      nprobe: z
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .default(32)
        .describe("Lists of an IVF index that a search looks into"),
      efSearch: z
        .number()
        .int()
        .min(1)
        .max(100_000)
        .default(128)
        .describe("Candidates that a search of an HNSW index keeps"),
      mainRowsMin: z
        .number()
        .int()
        .min(1)
        .default(20_000)
        .describe("Vectors of a namespace from which on it gets a main index other than Flat"),
      snapshotIntervalMs: milliseconds(100)
        .default(300_000)
        .describe("Milliseconds after a change until the index is saved with it"),
      snapshotChangesMax: z
        .number()
        .int()
        .min(1)
        .default(200_000)
        .describe("Changes after which the index is saved at once"),
    })
    .optional(),
  embedding: z
    .strictObject({
      provider: z
        .enum(["none", "hashing", "http"])
        .default("none")
        .describe("Who turns text into vectors: nobody, the offline feature hasher, or an OpenAI-compatible endpoint"),
      url: z.url().optional().describe("Endpoint of the http provider, e.g. https://host/v1/embeddings"),
      model: z.string().optional().describe("Model that the http provider is asked for"),
      apiKey: z.string().optional().meta({ secret: true }).describe("Key that the http provider is given"),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1").describe("Address that the service listens on"),
      port: z
        .number()
        .int()
        .min(0)
        .max(65_535)
        .default(8420)
        .describe("Port that the service listens on; 0: a free one"),
      authentication: z
        .enum(["keys", "none"])
        .default("keys")
        .describe("Whether callers must show a key; none is for a loopback address only"),
      keysFile: z
        .string()
        .min(1)
        .optional()
        .describe("JSON file with the hashes of the service's keys (mnemosync key)"),
      metricsAuthentication: z
        .boolean()
        .default(false)
        .describe("Whether /metrics asks for a key too; it shows the names of namespaces"),
      bodyBytesMax: z.number().int().min(1_024).max(1_073_741_824).default(16_777_216).describe("Bytes of a JSON body"),
      importBytesMax: z
        .number()
        .int()
        .min(1_024)
        .default(1_073_741_824)
        .describe("Bytes of a stream of memories to import"),
      requestTimeoutMs: milliseconds(1_000)
        .default(300_000)
        .describe("Milliseconds that receiving a request may take, an import included"),
      shutdownTimeoutMs: milliseconds(0)
        .default(10_000)
        .describe("Milliseconds that requests under way are given at a stop before their connections are cut"),
      rateLimitPerSecond: z.number().int().min(1).max(1_000_000).default(1_000).describe("Requests per second and key"),
      rateLimitBurst: z.number().int().min(1).max(1_000_000).default(2_000).describe("Requests at once and key"),
      corsOrigins: z
        .string()
        .optional()
        .describe("Origins whose pages may call the service, separated by commas; none by default"),
    })
    .prefault({}),
  batchSize: z.number().int().min(1).max(5_000).default(100).describe("Memories per transaction, at most"),
  writeConcurrency: z.number().int().min(1).max(64).default(4).describe("Transactions at a time"),
  writeWaitingMax: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe("Memories that may wait for their transaction; beyond it callers wait"),
  retriesMax: z.number().int().min(0).max(20).default(3).describe("Repeats of a transaction that failed in passing"),
  retryDelayMs: milliseconds(1)
    .default(50)
    .describe("Milliseconds before the first repeat, at most; doubles up to 2 s"),
  onStoreDown: z
    .enum(["degrade", "reject"])
    .default("degrade")
    .describe("Whether a write goes on without Redis or FAISS when they are away, or fails"),
  historyVersionsMax: z.number().int().min(0).max(10_000).default(10).describe("Replaced versions kept per memory"),
  callTimeoutMs: milliseconds(100).default(60_000).describe("Milliseconds that a call may take, waiting included"),
  prepareTimeoutMs: milliseconds(10)
    .default(2_000)
    .describe("Milliseconds for Redis and FAISS to accept a transaction before it is committed"),
  publishTimeoutMs: milliseconds(10)
    .default(10_000)
    .describe("Milliseconds for Redis and FAISS to show a committed transaction before it goes to the backlog"),
  inDoubtTimeoutMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds to find out the outcome of a commit whose answer was lost"),
  publishDeadlineMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds after which an unpublished transaction is taken over by the backlog and counts as drift"),
  cacheTimeoutMs: milliseconds(1)
    .default(1_000)
    .describe("Milliseconds that a read waits for Redis before it asks Postgres"),
  postgresConnectionsMin: z
    .number()
    .int()
    .min(0)
    .max(500)
    .default(10)
    .describe("Connections to Postgres that a running service keeps open, postgresConnectionsMax at most"),
  postgresConnectionsMax: z.number().int().min(2).max(500).default(20).describe("Connections to Postgres, at most"),
  redisConnectionsMax: z.number().int().min(1).max(1_000).default(50).describe("Connections to Redis, at most"),
  healthCheckIntervalMs: milliseconds(50)
    .default(30_000)
    .describe("Milliseconds between health checks of a healthy store; others are checked four times as often"),
  reconnectIntervalMs: milliseconds(50)
    .default(5_000)
    .describe("Milliseconds between attempts to reconnect to Redis, at most"),
  metricsFreshMs: milliseconds(0)
    .default(5_000)
    .describe("Milliseconds for which scrapes share one reading of the gauges that need a query"),
  syncIntervalMs: milliseconds(10).default(5_000).describe("Milliseconds between looks at the backlog"),
  queueAttemptsMax: z
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(10)
    .describe("Attempts at a memory that a store refuses, before it is set aside as a dead letter"),
  consistencyCheckIntervalMs: milliseconds(10)
    .default(60_000)
    .describe("Milliseconds between passes of the consistency loop"),
  consistencySweepMs: milliseconds(10)
    .default(3_600_000)
    .describe("Milliseconds in which the consistency loop comes round to everything"),
  checkMemoriesPerSecondMax: z
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe(
      "Memories that a check compares, or a refill publishes, per second, at most; as fast as it goes by default",
    ),
  checkerLeaseMs: milliseconds(300)
    .default(15_000)
    .describe("Milliseconds within which another node takes over when the one that checks is gone"),
  repairKinds: z
    .array(z.enum(DRIFT_KINDS))
    .default(["missing", "stale", "ahead", "diverged", "corrupt", "orphan", "resurrected"])
    .describe("Kinds of drift that the consistency loop repairs by itself; others it only reports"),
  repairStrategy: z
    .string()
    .min(1)
    .max(64)
    .default(DEFAULT_STRATEGY)
    .describe("Conflict strategy of repairs where both sides may be right"),
  repairsPerPassMax: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe(
      "Findings that the consistency loop repairs in one pass, at most; filling a store that lost everything is no finding",
    ),
  strategyTimeoutMs: milliseconds(1)
    .default(5_000)
    .describe("Milliseconds that a conflict strategy may take for one conflict"),
  transactionRetentionMs: z
    .number()
    .int()
    .min(60_000)
    .default(604_800_000)
    .describe("Milliseconds that an ended transaction and its idempotency key are remembered"),
});

/** Options as a caller gives them. */
export type Options = z.input<typeof optionsSchema>;

/** Options with every default filled in. */
export type EffectiveOptions = z.output<typeof optionsSchema>;
