import type { PostgresAccess } from "../../drivers/postgres/postgres-access.ts";
import { Ledger } from "../../ledger/ledger.ts";
import { PastLedger } from "../../ledger/past-ledger.ts";
import type { Log } from "../../runtime/log.ts";
import { Loop } from "../../runtime/loop.ts";
import type { Service, ServiceStatus } from "../../runtime/service.ts";
import { FaissProjection } from "../../stores/faiss/client/faiss-projection.ts";
import type { FaissOptions } from "../../stores/faiss/options.ts";
import type { VectorHit } from "../../stores/vector-index.ts";
import { archivedSource } from "./archived-source.ts";
import { PostgresReplicaReads } from "./postgres-replica-reads.ts";

export interface ReplicaIndexOptions {
  /** As those of the primary's index, so that scores can be compared, but for the folder. */
  readonly faiss: FaissOptions;
  readonly replica: PostgresAccess;
  /** Whether memories that expired stay in the index. */
  readonly archive: boolean;
  /** Milliseconds that one call on the replica may take. */
  readonly callTimeoutMs: number;
  /** Milliseconds between two looks at the replica's feed. */
  readonly intervalMs: number;
  readonly log: Log;
}

/**
 * The vectors of the replica's memories, in a FAISS host with a folder of its own that follows the replica's feed. It is
 * opened by its first pass, and again after each failure: a replica that is away at the start keeps no node from starting.
 */
export class ReplicaIndex implements Service {
  readonly name = "replica-index";
  readonly #options: ReplicaIndexOptions;
  readonly #loop: Loop;
  #index: FaissProjection | null = null;

  constructor(options: ReplicaIndexOptions) {
    this.#options = options;
    const { intervalMs, log } = options;
    this.#loop = new Loop({ name: this.name, intervalMs, log, pass: (signal) => this.#pass(signal) });
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#index?.close({ snapshot: true });
    this.#index = null;
  }

  status(): ServiceStatus {
    return this.#loop.status();
  }

  /** The nearest vectors, nearest first; null: the index is not open yet. */
  async search(
    namespace: string,
    vector: Float32Array,
    k: number,
    signal: AbortSignal,
  ): Promise<readonly VectorHit[] | null> {
    return this.#index === null ? null : await this.#index.search(namespace, vector, k, signal);
  }

  async #pass(signal: AbortSignal): Promise<boolean> {
    if (this.#index === null) this.#index = await this.#open(signal);
    else await this.#index.catchUp(signal);
    return false;
  }

  async #open(signal: AbortSignal): Promise<FaissProjection> {
    const { faiss, replica, archive, callTimeoutMs, log } = this.#options;
    const past = new PastLedger(replica, { callTimeoutMs, log });
    const ledger = new Ledger(replica, { nodeId: "replica-index", callTimeoutMs, knownEpoch: () => past.known?.epoch });
    const reads = new PostgresReplicaReads(replica, callTimeoutMs, () => performance.now());
    const source = archivedSource(ledger, past, archive ? reads : null);
    return await FaissProjection.open(faiss, { source, log }, signal);
  }
}
