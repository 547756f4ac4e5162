import {
  AbortedError,
  ConfigurationError,
  EmbeddingError,
  InternalError,
  type MnemosyncError,
  QueueFullError,
  StoreUnavailableError,
} from "../domain/errors.ts";
import { type Filter, parseFilter } from "../domain/filter/filter.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import type { Embedder } from "../embed/embedder.ts";
import type { Job, JobProgress } from "../jobs/job.ts";
import type { JobRunner } from "../jobs/job-runner.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { NO_EMBEDDER, REEMBED, type ReembedReport } from "../jobs/kinds/reembed.ts";
import { pause } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import type { CallScope } from "./call-scope.ts";
import type { SearchReadiness } from "./search-readiness.ts";

export interface ReembedOptions {
  /** The model that is expected of this node's embedder: another one is an error. @default whichever it is */
  model?: string | undefined;
  /** @default all namespaces */
  namespace?: string | undefined;
  /** Only memories that pass. The others keep their vectors, which this node's index does not hold. @default all */
  where?: Filter | undefined;
  /** Called with the job's figures: `pass`, `embedded`, `failed`. */
  onProgress?: ((figures: JobProgress) => void) | undefined;
  /** Ends the wait. The job goes on until it is cancelled, or its node closes; then it is resumed. */
  signal?: AbortSignal | undefined;
}

export interface ReembeddingsParts {
  readonly scope: CallScope;
  readonly jobs: Jobs;
  readonly runner: Pick<JobRunner, "takeOver">;
  readonly embedder: Embedder | null;
  /** Looks again when a job begins here or has ended, so that searches know at once. */
  readonly searchReadiness: Pick<SearchReadiness, "look"> | null;
  readonly log: Log;
}

/** Milliseconds between two attempts to take over the job of a node that is gone. */
const TAKE_OVER_MS = 1_000;

/** The façade's call that embeds memories anew. `MemorySynchronizer` documents it. */
export class Reembeddings {
  readonly #parts: ReembeddingsParts;

  constructor(parts: ReembeddingsParts) {
    this.#parts = parts;
  }

  async run({ onProgress, signal, ...given }: ReembedOptions): Promise<ReembedReport> {
    const { scope, jobs, embedder } = this.#parts;
    if (embedder === null) throw new ConfigurationError(NO_EMBEDDER);
    const { model = embedder.model, namespace, where = {} } = given;
    if (model !== embedder.model) {
      throw new ConfigurationError(
        `this node's embedder is of model ${JSON.stringify(embedder.model)}, not ${JSON.stringify(model)}: run it where ` +
          "the new model is set up",
      );
    }
    parseFilter(where);
    return await scope.runLong("reembed", signal, async () => {
      const input = { model, where, ...(namespace !== undefined && { namespace }) };
      const started = await jobs.start(REEMBED, input, { signal });
      if (started.outcome === "full") {
        throw new QueueFullError(0, 0, "as many jobs run on this node as may run at a time: wait for one to end");
      }
      const { job } = started;
      // Of a node that is gone, or still at work: this call goes on with the same work, and not with another one.
      if (started.outcome === "running" && JSON.stringify(sorted(job.input)) !== JSON.stringify(sorted(input))) {
        throw new ConfigurationError(
          `job ${job.id} embeds other memories anew, or by another model: wait for it, or cancel it`,
        );
      }
      await this.#parts.searchReadiness?.look();
      const ended = await this.#untilEnded(job.id, onProgress, signal);
      await this.#parts.searchReadiness?.look();
      return this.#reportOf(ended);
    });
  }

  async #untilEnded(id: string, onProgress: ReembedOptions["onProgress"], signal?: AbortSignal): Promise<Job> {
    const { jobs } = this.#parts;
    const ended = new AbortController();
    const taking = this.#takeOver(ended.signal);
    try {
      for await (const { progress } of jobs.changes(id, { signal })) onProgress?.(progress);
      signal?.throwIfAborted();
      return await jobs.get(id, { signal });
    } finally {
      ended.abort();
      await taking;
    }
  }

  /** A command runs no loops, so it looks by itself whether the job has lost its node. */
  async #takeOver(signal: AbortSignal): Promise<void> {
    const { runner, log } = this.#parts;
    while (!signal.aborted) {
      await runner.takeOver(REEMBED, signal).catch((error: Error) => {
        if (!signal.aborted) log.warn({ error: error.message }, "job.take_over_failed");
      });
      await pause(TAKE_OVER_MS, signal);
    }
  }

  #reportOf(job: Job): ReembedReport {
    if (job.state === "done") return this.#parts.jobs.resultOf(job) as ReembedReport;
    if (job.state === "cancelled")
      throw new AbortedError("reembed", { cause: new Error(`job ${job.id} was cancelled`) });
    throw failureOf(job);
  }
}

/** Each failure may be tried again: the vectors that were made stay, and the next job goes on with the rest. */
function failureOf({ id, error }: Job): MnemosyncError {
  const { code, message } = error ?? { code: "INTERNAL", message: "it left no error" };
  if (code === "EMBEDDING_FAILED") return new EmbeddingError(message, { retryable: true });
  if (code === "STORE_UNAVAILABLE") {
    return new StoreUnavailableError(LEDGER_ID, message.replace(/^\S+ is unavailable: /, ""));
  }
  return new InternalError(`job ${id} failed with ${code}: ${message}`);
}

/** The input's fields in one order: the ledger keeps JSON, and its reader may have made it. */
function sorted(input: unknown): [string, unknown][] {
  return Object.entries(input as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1));
}
