import { AbortedError, MnemosyncError } from "../domain/errors.ts";
import type { JsonValue } from "../domain/json.ts";
import type { JobRow } from "../ledger/job-statements.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { INTERRUPTED, type JobProgress } from "./job.ts";
import type { JobContext, JobKind } from "./job-kind.ts";
import type { JobStore } from "./job-store.ts";
import { quotedNamespaces, withoutQuotes } from "./job-texts.ts";
import { encodeJson, PAYLOAD_BYTES_MAX } from "./payload.ts";

/** Milliseconds between two heartbeats: a cancel from another node takes effect within that time. */
const HEARTBEAT_MS = 1_000;
/** Milliseconds for recording the end of a job in the ledger while its node stops. */
const STOP_MS = 5_000;

type AbortReason = "cancelled" | "stopping" | "lost";

export interface JobRunParts {
  readonly store: JobStore;
  readonly kind: JobKind;
  readonly row: JobRow;
  readonly runId: string;
  readonly leaseMs: number;
  readonly log: Log;
  /** Told of new figures. */
  readonly onChange: () => void;
  /** @default 1_000 */
  readonly heartbeatMs?: number;
}

/**
 * One run of a job on this node. It keeps the lease while the work goes on:
 *
 *   running ──work settled──► done | failed | cancelled
 *      ├── cancel requested, here or on another node ──► cancelled, once the work has settled
 *      ├── node stops ──► queued again (resumable kinds), or failed
 *      └── lease lost: the ledger stayed away for too long ──► nothing is written: the job is another node's by now
 */
export class JobRun {
  readonly id: string;
  readonly done: Promise<void>;
  readonly #parts: JobRunParts;
  readonly #abort = new AbortController();
  readonly #settled = new AbortController();
  #reason: AbortReason | null = null;
  #progress: JobProgress = {};
  /** When the lease was renewed for certain, by a clock that never goes back. */
  #renewedAt = performance.now();

  constructor(parts: JobRunParts) {
    this.#parts = parts;
    this.id = parts.row.id;
    this.done = this.#run();
  }

  /** The figures as they are now; the ledger's are up to a second older. */
  get progress(): JobProgress {
    return this.#progress;
  }

  cancel(): void {
    this.#end("cancelled");
  }

  /** Ends the work, and requeues a resumable job. Resolves once the ledger has recorded it, or did not answer. */
  async stop(): Promise<void> {
    this.#end("stopping");
    await this.done;
  }

  async #run(): Promise<void> {
    const heartbeat = this.#heartbeat();
    const { store, runId, log } = this.#parts;
    const { kind, nodeId } = { kind: this.#parts.kind.kind, nodeId: store.nodeId };
    log.info({ jobId: this.id, kind, nodeId }, "job.started");
    let end: Parameters<JobStore["end"]>[2];
    try {
      const found = await this.#work();
      const result = encodeJson("result", found, PAYLOAD_BYTES_MAX.result);
      const quoted = quotedNamespaces(found as JsonValue);
      end = { state: "done", progress: this.#figures(), result, quotedNamespaces: quoted, error: null };
    } catch (error) {
      end = this.#ending(error);
    }
    this.#settled.abort();
    await heartbeat;
    if (this.#reason === "lost") {
      log.warn({ jobId: this.id, kind }, "job.lost");
    } else {
      const giveBack = this.#reason === "stopping" && end.state !== "done" && this.#parts.kind.whenLost === "resume";
      await this.#tell((signal) =>
        giveBack ? store.release(this.id, runId, signal) : store.end(this.id, runId, end, signal).then(() => undefined),
      );
      log.info({ jobId: this.id, kind, state: giveBack ? "queued" : end.state }, "job.ended");
      if (!giveBack && end.state === "failed")
        log.warn({ jobId: this.id, kind, code: codeOf(end.error) }, "job.failed");
    }
  }

  async #work(): Promise<unknown> {
    await Promise.resolve(); // `done` is set from here on.
    const { kind, row } = this.#parts;
    const { checkpointSchema } = kind;
    const resumeFrom =
      row.checkpoint === null || checkpointSchema === undefined
        ? null
        : checkpointSchema.parse(JSON.parse(row.checkpoint));
    const context: JobContext<never> = {
      jobId: this.id,
      input: kind.inputSchema.parse(JSON.parse(row.input)),
      signal: this.#abort.signal,
      resumeFrom,
      progress: (figures) => {
        encodeJson("progress", figures, PAYLOAD_BYTES_MAX.progress); // Refused here rather than at the next heartbeat.
        this.#progress = { ...figures };
        this.#parts.onChange();
      },
      checkpoint: (position) => this.#checkpoint(position),
    };
    this.#abort.signal.throwIfAborted();
    return await kind.run(context);
  }

  #ending(error: unknown): Parameters<JobStore["end"]>[2] {
    const quotesNothing = { progress: this.#figures(), result: null, quotedNamespaces: [] };
    if (this.#reason === "cancelled") return { ...quotesNothing, state: "cancelled", error: null };
    const told =
      this.#reason === "stopping"
        ? { code: INTERRUPTED, message: "the node that ran the job was stopped: start it again" }
        : {
            code: error instanceof MnemosyncError ? error.code : "INTERNAL",
            message: withoutQuotes((error as Error).message),
          };
    return { ...quotesNothing, state: "failed", error: JSON.stringify(told) };
  }

  #figures(): string {
    return encodeJson("progress", this.#progress, PAYLOAD_BYTES_MAX.progress);
  }

  async #checkpoint(position: unknown): Promise<void> {
    const { store, runId } = this.#parts;
    const text = encodeJson("checkpoint", position, PAYLOAD_BYTES_MAX.checkpoint);
    if (await store.saveCheckpoint(this.id, runId, text, this.#abort.signal)) return;
    this.#end("lost");
    throw new AbortedError("a job that another node has taken over");
  }

  /** Renews the lease until the work has settled. */
  async #heartbeat(): Promise<void> {
    const { store, runId, leaseMs, log, heartbeatMs = HEARTBEAT_MS } = this.#parts;
    const { signal } = this.#settled;
    while (!signal.aborted) {
      await pause(heartbeatMs, signal);
      if (signal.aborted) return;
      const askedAt = performance.now();
      try {
        const renewed = await store.renew(this.id, { runId, leaseMs }, this.#figures(), signal);
        if (renewed === null) return this.#end("lost");
        this.#renewedAt = askedAt;
        if (renewed.cancelRequested) this.#end("cancelled");
      } catch (error) {
        if (signal.aborted) return;
        log.debug({ jobId: this.id, error: (error as Error).message }, "job.not_renewed");
      }
      // The ledger's lease began later than `askedAt`, so this node gives up before another one may take over.
      if (performance.now() - this.#renewedAt >= leaseMs) return this.#end("lost");
    }
  }

  #end(reason: AbortReason): void {
    if (this.#settled.signal.aborted || (this.#reason !== null && reason !== "lost")) return;
    this.#reason = reason;
    this.#abort.abort(new AbortedError(`job ${this.id} (${reason})`));
  }

  /** Records the end in the ledger, with retries until the lease expires: then other nodes find the job lost. */
  async #tell(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const deadline = AbortSignal.timeout(this.#reason === "stopping" ? STOP_MS : this.#parts.leaseMs);
    for (let failures = 1; ; failures++) {
      try {
        return await work(deadline);
      } catch (error) {
        this.#parts.log.warn({ jobId: this.id, error: (error as Error).message }, "job.end_not_kept");
        await pause(backoffMs(failures, { baseMs: 100, maxMs: 2_000 }), deadline);
        if (deadline.aborted) return; // Its lease expires; then another node ends or resumes it.
      }
    }
  }
}

function codeOf(error: string | null): string {
  return (JSON.parse(error ?? "{}") as { code?: string }).code ?? "INTERNAL";
}
