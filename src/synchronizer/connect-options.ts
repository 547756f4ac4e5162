import type { Cluster, Redis } from "ioredis";
import type { Sql as PostgresSql } from "postgres";
import type { Options } from "../config/options.ts";
import type { Embedder } from "../embed/embedder.ts";
import type { Log } from "../runtime/log.ts";
import type { Projection } from "../stores/projection.ts";
import type { StoreModuleInput } from "../stores/settings.ts";
import type { VectorIndex } from "../stores/vector-index.ts";

/** What a synchronizer takes beside its settings: objects, which no file or environment can give. */
export interface ConnectExtras {
  /** Turns text into vectors; replaces `embedding.provider`. */
  embedder?: Embedder | undefined;
  /**
   * Your own stores, beside those that the settings name. A projection is closed by its owner, after the synchronizer. A
   * module, `{ module, options }` as in the settings, makes its store, and the synchronizer closes it. Each store passes
   * the conformance suite of `mnemosync/testing`.
   * @default none
   */
  stores?: readonly (Projection | StoreModuleInput)[] | undefined;
  /** Receives events. @default none are written */
  log?: Log | undefined;
}

/** What `MemorySynchronizer.connect` takes. Only `postgresUrl` and `redisUrl` are required. */
export interface ConnectOptions extends Omit<Options, "stores">, ConnectExtras {
  /** Receives the progress while the vector index is filled from the ledger: changes read, and of these applied. */
  onIndexProgress?: ((progress: { read: number; applied: number }) => void) | undefined;
}

/** Clients that the caller opened. The synchronizer uses them, and `close` leaves them open. */
export interface Clients {
  /** A `postgres` client (postgres.js) for the ledger's database. */
  sql: PostgresSql;
  /** An `ioredis` client. Absent: no Redis. */
  redis?: Redis | Cluster | undefined;
  /** A vector index, for example from `openVectorIndex`. Absent: no search. */
  vectorIndex?: VectorIndex | undefined;
}

/** What `MemorySynchronizer.withClients` takes beside the clients. */
export interface WithClientsOptions
  extends Partial<Omit<Options, "postgresUrl" | "redisUrl" | "stores">>,
    ConnectExtras {}
