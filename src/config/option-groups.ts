// Made from the settings of each room (src/*/settings.ts) by `npm run docs`: change a description, a bound or a default there.
import type { NamespaceRetention } from "../ledger/settings.ts";

/** How text becomes vectors. */
export interface EmbeddingOptions {
  /**
   * Embedder that computes vectors from text: none, the offline feature hasher, or an OpenAI-compatible endpoint.
   * @default "none"
   */
  provider?: "none" | "hashing" | "http" | undefined;
  /**
   * Numbers per computed vector where no store prescribes them: with a FAISS index, faiss.dimension counts. From 1 to
   * 16_384.
   * @default 384
   */
  dimension?: number | undefined;
  /** Endpoint of the http provider, e.g. https://host/v1/embeddings. */
  url?: string | undefined;
  /** Model that the http provider is asked for. */
  model?: string | undefined;
  /** Key that the http provider is given. */
  apiKey?: string | undefined;
  /** Whether the http provider is asked for vectors of the index's dimension; some models refuse it. @default false */
  sendDimension?: boolean | undefined;
  /** Texts per request to the http provider, at most. From 1 to 2_048. @default 64 */
  batchSizeMax?: number | undefined;
  /**
   * UTF-16 code units per request to the http provider, at most; a longer text is sent alone. At least 1.
   * @default 200_000
   */
  batchLengthMax?: number | undefined;
  /** Requests to the http provider at the same time, at most. From 1 to 64. @default 2 */
  concurrency?: number | undefined;
  /** Milliseconds that one request to the http provider may take. From 1 to 600_000. @default 30_000 */
  timeoutMs?: number | undefined;
  /** Retries of a request to the http provider after a transient failure, at most. From 0 to 20. @default 3 */
  retriesMax?: number | undefined;
  /**
   * Milliseconds before the first retry of the http provider, at most; doubles with each retry. From 1 to 600_000.
   * @default 500
   */
  backoffBaseMs?: number | undefined;
  /** Milliseconds between two retries of the http provider, at most. From 1 to 600_000. @default 20_000 */
  backoffMaxMs?: number | undefined;
  /**
   * Longest Retry-After of the http provider that is waited for, in milliseconds; beyond it the call fails. From 0 to
   * 600_000.
   * @default 60_000
   */
  retryAfterMaxMs?: number | undefined;
}

/** Indexes of the ledger that not every user needs: each write pays for one that exists. */
export interface IndexOptions {
  /**
   * Language of searches by words: a text search configuration of PostgreSQL, like english or simple; none: no index.
   * @default "none"
   */
  text?: string | undefined;
  /**
   * Whether searches with a filter that few memories pass go by an index of memoryType, privacy, embeddingModel and
   * metadata.
   * @default false
   */
  fields?: boolean | undefined;
  /**
   * Orders of lists beside that of ids, each by an index: createdAt, modifiedAt, importance. As text, separated by
   * commas.
   * @default []
   */
  orders?: readonly ("createdAt" | "modifiedAt" | "importance")[] | undefined;
}

/** What is kept of the past, beside `historyVersionsMax`, by time and by namespace. */
export interface RetentionOptions {
  /**
   * Milliseconds that a replaced version is kept after it was written; 0: as long as historyVersionsMax says. At least
   * 0.
   * @default 0
   */
  historyMs?: number | undefined;
  /**
   * Milliseconds that the record of a conflict or a repair is kept after it was settled; 0: for ever. At least 0.
   * @default 0
   */
  evidenceMs?: number | undefined;
  /**
   * Other values for single namespaces, a list of { namespace, historyVersionsMax, historyMs, evidenceMs, tombstoneMs
   * }. As text: the list as JSON.
   * @default []
   */
  namespaces?: readonly NamespaceRetention[] | undefined;
}

/** The HTTP service of `mnemosync serve`. The library does not use them. */
export interface HttpServiceOptions {
  /** Address that the service listens on. @default "127.0.0.1" */
  host?: string | undefined;
  /** Port that the service listens on; 0: a free one. From 0 to 65_535. @default 8_420 */
  port?: number | undefined;
  /** Whether callers must show a key; none is for a loopback address only. @default "keys" */
  authentication?: "keys" | "none" | undefined;
  /** JSON file with the hashes of the service's keys (mnemosync key add). */
  keysFile?: string | undefined;
  /**
   * Whether /metrics asks for a key too; it shows the names of namespaces. By default unless http.host is a loopback
   * address.
   */
  metricsAuthentication?: boolean | undefined;
  /** Whether the service shows its console at /console. @default true */
  console?: boolean | undefined;
  /** Bytes of a JSON body, at most. From 1_024 to 1_073_741_824. @default 16_777_216 */
  bodyBytesMax?: number | undefined;
  /** Bytes of a stream of memories to import, at most. At least 1_024. @default 1_073_741_824 */
  importBytesMax?: number | undefined;
  /** Milliseconds that receiving a request may take, an import included. From 1_000 to 86_400_000. @default 300_000 */
  requestTimeoutMs?: number | undefined;
  /**
   * Milliseconds that running requests have at a stop before their connections are closed. From 0 to 86_400_000.
   * @default 10_000
   */
  shutdownTimeoutMs?: number | undefined;
  /** Connections at a time; further ones are closed at once. From 1 to 65_536. @default 1_024 */
  connectionsMax?: number | undefined;
  /**
   * Streams of events, and requests that wait for changes, at a time; further ones are refused with 429. From 1 to
   * 65_536.
   * @default 200
   */
  streamsMax?: number | undefined;
  /** The same per key. From 1 to 65_536. @default 20 */
  streamsPerKeyMax?: number | undefined;
  /**
   * Milliseconds that a reader of events may take nothing before its connection is cut. From 100 to 86_400_000.
   * @default 30_000
   */
  streamStallTimeoutMs?: number | undefined;
  /** Requests per second and key. From 1 to 1_000_000. @default 1_000 */
  rateLimitPerSecond?: number | undefined;
  /** Requests at once and key. From 1 to 1_000_000. @default 2_000 */
  rateLimitBurst?: number | undefined;
  /** Origins whose pages may call the service, separated by commas; none by default. */
  corsOrigins?: string | undefined;
}

/** The edge, for `mnemosync edge`: an agent's memories in one SQLite file. docs/edge.md explains it. */
export interface EdgeSectionOptions {
  /** The SQLite file. It is made where it does not exist; its folder must exist. */
  path: string;
  /**
   * Where the hub is, e.g. https://hub.example, or postgres://… for its database itself. Without it the edge works
   * offline only.
   */
  hub?: string | undefined;
  /** The key that the hub gave this device. */
  apiKey?: string | undefined;
  /** Name of this device in the hub's list of devices. Default: the name of the machine. */
  deviceName?: string | undefined;
  /**
   * Namespaces that are kept here, as text separated by commas. Others are neither read nor written.
   * @default ["default"]
   */
  namespaces?: readonly string[] | undefined;
  /** Whether the edge talks to the hub at all. False: local only. @default true */
  enabled?: boolean | undefined;
  /**
   * Milliseconds between two looks at the outbox. A local write is pushed at once. From 100 to 86_400_000.
   * @default 5_000
   */
  pushIntervalMs?: number | undefined;
  /** Changes of one push, at most. From 1 to 500. @default 50 */
  pushBatchSize?: number | undefined;
  /**
   * Bytes of one push, at most, before compression. A larger change goes alone. From 1_024 to 8_388_608.
   * @default 1_048_576
   */
  pushBytesMax?: number | undefined;
  /** Times that the hub may answer a change with `retry` before it counts as failed. From 1 to 100. @default 5 */
  attemptsMax?: number | undefined;
  /**
   * Milliseconds of the longest wait after a first failure. It doubles with each further one. From 1 to 86_400_000.
   * @default 1_000
   */
  retryBaseMs?: number | undefined;
  /** Milliseconds that no wait after a failure exceeds. From 1 to 86_400_000. @default 300_000 */
  retryMaxMs?: number | undefined;
  /**
   * Milliseconds between two looks at the hub; the waiting request brings changes at once. From 100 to 86_400_000.
   * @default 30_000
   */
  pullIntervalMs?: number | undefined;
  /** Changes of one page, at most. From 1 to 1_000. @default 200 */
  pullPageSize?: number | undefined;
  /**
   * Milliseconds in which the hub must answer. A waiting request may take its waiting time longer. From 100 to
   * 86_400_000.
   * @default 30_000
   */
  requestTimeoutMs?: number | undefined;
  /** Decides between an edit made here and the state of the hub. @default "last_write_wins" */
  conflictPolicy?: "last_write_wins" | "local_wins" | "remote_wins" | "merge" | "manual" | undefined;
  /** Whether the losing side of a conflict is also written as a file into conflictsDirectory. @default true */
  preserveOriginals?: boolean | undefined;
  /** Folder of the files of conflicts. Default: the path of the SQLite file with `.conflicts`. */
  conflictsDirectory?: string | undefined;
  /** FULL: an acknowledged write survives a power cut. NORMAL: it survives a crash of the program. @default "FULL" */
  synchronous?: "FULL" | "NORMAL" | undefined;
  /** Milliseconds to wait for another process that writes to the file. From 0 to 60_000. @default 5_000 */
  busyTimeoutMs?: number | undefined;
  /** The SQLite driver. auto: node:sqlite where Node has it, else libsql, else better-sqlite3. @default "auto" */
  driver?: "auto" | "node:sqlite" | "libsql" | "better-sqlite3" | undefined;
}

/** Webhooks: how receivers are called. docs/webhooks.md explains them. */
export interface WebhookOptions {
  /**
   * Encrypts the secrets of subscriptions in the ledger: 32 bytes in base64, the same on every node. Without it there
   * are no webhooks.
   */
  secretKey?: string | undefined;
  /** The secretKey before this one: what it encrypted can still be read. */
  previousSecretKey?: string | undefined;
  /**
   * Private addresses and ranges that receivers may have, separated by commas; by default only public addresses are
   * called.
   * @default []
   */
  allowedAddresses?: readonly string[] | undefined;
  /** Whether receivers may have http addresses: bodies go in the clear. @default false */
  allowHttp?: boolean | undefined;
  /** Milliseconds that a receiver has for its answer, the connection included. From 100 to 60_000. @default 15_000 */
  timeoutMs?: number | undefined;
  /** Attempts in a row at a receiver that fails, before its subscription is paused. From 1 to 100. @default 24 */
  attemptsMax?: number | undefined;
  /**
   * Milliseconds between two attempts, at most; they begin at 1 s and double. From 10 to 86_400_000.
   * @default 3_600_000
   */
  retryMaxMs?: number | undefined;
  /** Subscriptions that a node delivers at a time, at most. From 1 to 64. @default 8 */
  concurrencyMax?: number | undefined;
  /** Subscriptions of one owner, at most. From 1 to 1_000. @default 20 */
  subscriptionsPerOwnerMax?: number | undefined;
}

/** The replica: a second database that is written from the change feed. docs/replica.md explains it. */
export interface ReplicaOptions {
  /** Whether there is a replica. docs/replica.md explains it. @default false */
  enabled?: boolean | undefined;
  /** The replica's database: an empty one at first, never a ledger's own. */
  postgresUrl?: string | undefined;
  /** Name of the replica in dead letters, receipts of erasures and the primary's feed cursors. @default "replica" */
  name?: string | undefined;
  /** Whether reads ask the replica too. @default true */
  mergedReads?: boolean | undefined;
  /** Ended memories that merged reads show from the replica: none, or those that expired. @default "off" */
  archive?: "off" | "expired" | undefined;
  /** Folder of a vector index over the replica, for searches by vector; none: they ask the primary alone. */
  faissDirectory?: string | undefined;
  /** Whether reads are answered by the replica alone while the primary is away, and marked so. @default false */
  readsWhenPrimaryDown?: boolean | undefined;
  /** Connections that write to the replica at a time; a memory keeps its order. From 1 to 32. @default 4 */
  workers?: number | undefined;
  /** Changes per transaction in the replica, at most. From 1 to 1_000. @default 100 */
  batchSize?: number | undefined;
  /**
   * Changes that are read from the primary and not committed in the replica, at most. From 1 to 100_000.
   * @default 2_000
   */
  windowMax?: number | undefined;
  /** Retries of a memory that the replica refuses, before it is a dead letter. From 0 to 100. @default 3 */
  retriesMax?: number | undefined;
  /** Milliseconds between retries of a memory that the replica refuses. From 100 to 86_400_000. @default 5_000 */
  retryIntervalMs?: number | undefined;
  /** Milliseconds between health checks of the replica while it is healthy. From 50 to 86_400_000. @default 30_000 */
  healthCheckIntervalMs?: number | undefined;
  /**
   * Milliseconds before the first attempt after the replica was away; it doubles, up to twelve times as long. From 10
   * to 86_400_000.
   * @default 10_000
   */
  reconnectBackoffMs?: number | undefined;
  /** Milliseconds that a merged read waits for the replica, at most. From 1 to 86_400_000. @default 500 */
  readTimeoutMs?: number | undefined;
  /** Connections of a node to the replica, at most. From 2 to 1_000. @default 12 */
  connectionsMax?: number | undefined;
}

/** Connectors to other services, on a schedule. docs/connectors.md explains them. */
export interface ConnectorServiceOptions {
  /**
   * Whether this node makes runs of connectors while it serves; without it others do (serve --api-only).
   * @default true
   */
  enabled?: boolean | undefined;
  /**
   * Connectors by their ids, the same on every node that makes runs; ${NAME} stands for an environment variable.
   * docs/connectors.md explains them. As text: the object as JSON.
   */
  definitions?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Folder of the sounds and pictures that connectors fetch, by their contents' hashes, the same for all nodes that
   * make runs or serve them; none: connectors that fetch files make no runs on this node.
   */
  mediaDirectory?: string | undefined;
  /** Runs of connectors on this node at a time, at most. From 1 to 256. @default 10 */
  runsMax?: number | undefined;
  /** Encrypts the keys of connectors that are made over the API: 32 bytes in base64, the same on every node. */
  secretKey?: string | undefined;
  /** The secretKey before this one: what it encrypted can still be read. */
  previousSecretKey?: string | undefined;
}

/** MCP: sessions of the service, and limits of every connection. docs/mcp.md explains them. */
export interface McpOptions {
  /** Whether the service answers MCP at /mcp. @default true */
  enabled?: boolean | undefined;
  /** MCP sessions of the service at a time. From 1 to 65_536. @default 1_000 */
  sessionsMax?: number | undefined;
  /**
   * The same per key; a further one ends the key's session that is idle for longest, or is refused with 429. From 1 to
   * 65_536.
   * @default 200
   */
  sessionsPerKeyMax?: number | undefined;
  /**
   * Milliseconds after which an MCP session without calls and streams ends. From 1_000 to 86_400_000.
   * @default 1_800_000
   */
  sessionIdleMs?: number | undefined;
  /** Calls of an MCP connection at a time; further ones fail. From 1 to 1_000. @default 16 */
  callsMax?: number | undefined;
  /** Milliseconds that an MCP call may take. From 100 to 86_400_000. @default 60_000 */
  callTimeoutMs?: number | undefined;
  /** Milliseconds that a call of the tool check may take. From 100 to 86_400_000. @default 600_000 */
  checkTimeoutMs?: number | undefined;
}

/** The hub of edges: what their devices may use. docs/hub.md explains them. */
export interface HubOptions {
  /** Devices of one owner of keys, at most. From 1 to 100_000. @default 1_000 */
  devicesPerOwnerMax?: number | undefined;
  /** Changes that a device may push per second; ten seconds' worth at once. From 1 to 1_000_000. @default 5_000 */
  changesPerSecondMax?: number | undefined;
  /**
   * Changes that all devices of an owner may push per second; ten seconds' worth at once. From 1 to 1_000_000.
   * @default 20_000
   */
  ownerChangesPerSecondMax?: number | undefined;
  /**
   * Bytes that a device may push per second, before compression; ten seconds' worth at once. At least 1_024.
   * @default 8_388_608
   */
  bytesPerSecondMax?: number | undefined;
  /** Applied changes of a device that it has not called settled, at most. From 1_000 to 10_000_000. @default 100_000 */
  claimsPerDeviceMax?: number | undefined;
  /** Memories of a namespace up to which devices may add new ones; without it there is no limit. At least 1. */
  memoriesPerNamespaceMax?: number | undefined;
  /**
   * Milliseconds for which a device that does not call keeps deletions from being pruned; one that stays away for
   * longer must read everything anew. From 60_000 to 315_360_000_000.
   * @default 5_184_000_000
   */
  tombstoneHoldMs?: number | undefined;
}
