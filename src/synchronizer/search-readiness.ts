import { StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Job } from "../jobs/job.ts";
import type { Log } from "../runtime/log.ts";

/** What a job of kind `reembed` says about its work; other fields of its input do not matter here. */
interface Reembedding {
  readonly jobId: string;
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
}

export interface SearchReadinessParts {
  /** The vector index of this node. */
  readonly store: StoreId;
  /** The model of the vectors that it holds. */
  readonly model: string;
  /** The job that embeds memories anew, on any node; null: none is open. */
  readonly openJob: (signal: AbortSignal) => Promise<Job | null>;
  readonly log: Log;
  /** Milliseconds, by a clock that never goes back. */
  readonly now: () => number;
}

/** Milliseconds for which a look counts: while a re-embedding is open, and otherwise. */
const OPEN_FRESH_MS = 1_000;
const CLOSED_FRESH_MS = 5_000;
/** Milliseconds that a look may take. */
const LOOK_MS = 5_000;

/**
 * Whether searches of this node find what they should. While memories are embedded anew by this node's model, its index
 * lacks the rest of them, and nodes of the former model answer searches. When the job has ended, this node does.
 */
export class SearchReadiness {
  readonly #parts: SearchReadinessParts;
  #open: Reembedding | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;

  constructor(parts: SearchReadinessParts) {
    this.#parts = parts;
  }

  /** Whether searches of any namespace are answered, by the last look; a new look begins when that one is old. */
  get isComplete(): boolean {
    if (this.#isStale()) void this.look();
    return this.#open === null || this.#open.namespace !== undefined;
  }

  /** @throws {StoreUnavailableError} The namespace is being embedded anew. */
  async assertComplete(namespace: string): Promise<void> {
    if (this.#isStale()) {
      const looking = this.look();
      if (this.#open !== null) await looking;
    }
    const open = this.#open;
    if (open === null || (open.namespace !== undefined && open.namespace !== namespace)) return;
    const { store, model } = this.#parts;
    throw new StoreUnavailableError(
      store,
      `memories are being embedded anew by model ${JSON.stringify(model)} (job ${open.jobId}): search on a node of the ` +
        "former model until the job is done",
    );
  }

  /** Asks the ledger. Never rejects: while the ledger is away, the last answer counts. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { model, openJob, log, now } = this.#parts;
    try {
      const job = await openJob(AbortSignal.timeout(LOOK_MS));
      const input = job?.input as { model?: unknown; namespace?: string } | undefined;
      this.#open = job === null || input?.model !== model ? null : { jobId: job.id, namespace: input.namespace };
    } catch (error) {
      log.debug({ error: (error as Error).message }, "search.readiness_unknown");
    }
    this.#lookedAt = now();
  }

  #isStale(): boolean {
    return this.#parts.now() - this.#lookedAt > (this.#open === null ? CLOSED_FRESH_MS : OPEN_FRESH_MS);
  }
}
