import { EventEmitter } from "node:events";
import { HttpProblem } from "../http/problem.ts";
import { MnemosyncError, NotFoundError } from "../index.ts";
import { newUlid } from "../runtime/ulid.ts";

export type JobKind = "check" | "repair";

/** running ──► done | failed | cancelled (all final) */
export type JobState = "running" | "done" | "failed" | "cancelled";

/** Work that outlives its request. */
export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly state: JobState;
  /** Figures by name; which ones depends on the kind. */
  readonly progress: Readonly<Record<string, number>>;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** The outcome, as the kind has it; null until it is done. */
  readonly result: unknown;
}

/** Ended jobs that are remembered. */
const KEPT_MAX = 50;

interface Entry {
  job: Job;
  /** What the outcome is made from, for a repair of what a check found. Not shown. */
  outcome: unknown;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** One check or repair at a time, and the last ones with what came of them. In memory: a restart forgets them. */
export class Jobs {
  readonly #entries = new Map<string, Entry>();
  readonly #events = new EventEmitter<Record<string, [Job]>>().setMaxListeners(0);
  readonly #now: () => Date;

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  /**
   * @param show makes what is shown of the outcome.
   * @throws {HttpProblem} 409 while another job runs.
   */
  start<Outcome>(
    kind: JobKind,
    work: (signal: AbortSignal, progress: (figures: Record<string, number>) => void) => Promise<Outcome>,
    show: (outcome: Outcome) => unknown,
  ): Job {
    const running = [...this.#entries.values()].find(({ job }) => job.state === "running");
    if (running !== undefined) {
      throw new HttpProblem(
        409,
        "JOB_RUNNING",
        `${running.job.kind} ${running.job.id} is running: wait, or cancel it`,
        {
          retryable: true,
          members: { jobId: running.job.id },
        },
      );
    }
    const id = newUlid();
    const abort = new AbortController();
    const job: Job = {
      id,
      kind,
      state: "running",
      progress: {},
      startedAt: this.#now().toISOString(),
      endedAt: null,
      error: null,
      result: null,
    };
    const done = this.#run(id, work, show, abort.signal);
    this.#entries.set(id, { job, outcome: undefined, abort, done });
    this.#forgetOld();
    return job;
  }

  /** Newest first. */
  list(): Job[] {
    return [...this.#entries.values()].map(({ job }) => job).reverse();
  }

  /** @throws {NotFoundError} */
  get(id: string): Job {
    return this.#entry(id).job;
  }

  /** What the job found, for another one to go on from; undefined unless it is done. @throws {NotFoundError} */
  outcome(id: string): unknown {
    return this.#entry(id).outcome;
  }

  /** Asks the job to stop. No effect on one that has ended. @throws {NotFoundError} */
  async cancel(id: string): Promise<Job> {
    const entry = this.#entry(id);
    entry.abort.abort(new Error("cancelled"));
    await entry.done;
    return entry.job;
  }

  /** Tells each change until the last one. @returns stops telling. */
  watch(id: string, listener: (job: Job) => void): () => void {
    this.#entry(id);
    this.#events.on(id, listener);
    return () => this.#events.off(id, listener);
  }

  /** Cancels what runs, and waits for it. */
  async close(): Promise<void> {
    for (const { abort } of this.#entries.values()) abort.abort(new Error("the service is stopping"));
    await Promise.all([...this.#entries.values()].map(({ done }) => done));
  }

  async #run<Outcome>(
    id: string,
    work: (signal: AbortSignal, progress: (figures: Record<string, number>) => void) => Promise<Outcome>,
    show: (outcome: Outcome) => unknown,
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.resolve(); // The entry is there from here on.
    try {
      const outcome = await work(signal, (progress) => this.#change(id, { progress }));
      const entry = this.#entries.get(id);
      if (entry !== undefined) entry.outcome = outcome;
      this.#end(id, { state: "done", result: show(outcome) });
    } catch (error) {
      if (signal.aborted) return this.#end(id, { state: "cancelled" });
      const code = error instanceof MnemosyncError ? error.code : "INTERNAL";
      this.#end(id, { state: "failed", error: { code, message: (error as Error).message } });
    }
  }

  #end(id: string, change: Partial<Job>): void {
    this.#change(id, { ...change, endedAt: this.#now().toISOString() });
  }

  #change(id: string, change: Partial<Job>): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.job = { ...entry.job, ...change };
    this.#events.emit(id, entry.job);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new NotFoundError(`there is no job ${JSON.stringify(id)}: it may be forgotten`);
    return entry;
  }

  #forgetOld(): void {
    for (const [id, { job }] of this.#entries) {
      if (this.#entries.size <= KEPT_MAX) return;
      if (job.state !== "running") this.#entries.delete(id);
    }
  }
}
