import { ConfigurationError, InternalError, NotFoundError } from "../domain/errors.ts";
import type { JobRow } from "../ledger/job-statements.ts";
import { pause } from "../runtime/deadline.ts";
import { onAbort } from "../runtime/on-abort.ts";
import { hasEnded, type Job, parseJob } from "./job.ts";
import type { JobKinds } from "./job-kind.ts";
import type { JobRunner } from "./job-runner.ts";
import type { JobStore } from "./job-store.ts";
import { newJob } from "./new-job.ts";
import { encodeJson, PAYLOAD_BYTES_MAX } from "./payload.ts";
import { keptRhythm, nextDue, type Rhythm } from "./rhythm.ts";

/** Whether a job was made. `running`: another open job excludes it. `full`: there is no room; try again later. */
export type StartOutcome =
  | { readonly outcome: "started"; readonly job: Job }
  | { readonly outcome: "running"; readonly job: Job }
  | { readonly outcome: "full" };

/** When a kind of job runs by itself. */
export interface Schedule {
  readonly name: string;
  readonly kind: string;
  readonly input: unknown;
  readonly rhythm: Rhythm;
  /** ISO-8601, by the server's clock. In the past: as soon as the previous run has ended. */
  readonly dueAt: string;
  readonly lastJobId: string | null;
}

interface SignalOption {
  readonly signal?: AbortSignal | undefined;
}

/** Schedules at most. */
const SCHEDULES_MAX = 1_000;
const LIST_MAX = 1_000;
/** Milliseconds between two looks at a job that runs on another node. */
const LOOK_MS = 1_000;

/** Makes jobs, and reports those of all nodes. The ledger keeps them, so a restart loses none. */
export class Jobs {
  readonly #store: JobStore;
  readonly #kinds: JobKinds;
  readonly #runner: JobRunner;

  /** @internal Callers get the one of their synchronizer. */
  constructor(parts: { store: JobStore; kinds: JobKinds; runner: JobRunner }) {
    this.#store = parts.store;
    this.#kinds = parts.kinds;
    this.#runner = parts.runner;
  }

  /** Makes a job and runs it on this node, at once. @param input `{}` for the defaults of the kind. @throws {ValidationError} {ConfigurationError} {ClosedError} */
  async start(kind: string, input: unknown, { signal = never() }: SignalOption = {}): Promise<StartOutcome> {
    const job = newJob(this.#kinds.get(kind), input);
    return this.#outcome(await this.#runner.begin(job, signal));
  }

  /** Makes a job for the first node that has room and, where it needs one, the store. @throws as `start` */
  async enqueue(kind: string, input: unknown, { signal = never() }: SignalOption = {}): Promise<StartOutcome> {
    const job = newJob(this.#kinds.get(kind), input);
    const outcome = this.#outcome(await this.#store.insert(job, null, signal));
    this.#runner.wake();
    return outcome;
  }

  /** Newest first, without results: together they may be large. */
  async list({ limit = 100, signal = never() }: SignalOption & { limit?: number | undefined } = {}): Promise<Job[]> {
    const rows = await this.#store.list(Math.min(Math.max(1, limit), LIST_MAX), signal);
    return rows.map((row) => this.latest(row));
  }

  /** @throws {NotFoundError} Unknown, or no longer kept. */
  async get(id: string, { signal = never() }: SignalOption = {}): Promise<Job> {
    const row = await this.#store.read(id, signal);
    if (row === null) throw new NotFoundError(`there is no job ${JSON.stringify(id)}: it may no longer be kept`);
    return this.latest(row);
  }

  /** The open job of all nodes that has this value of `JobKind.exclusive`; null: there is none. */
  async getOpen(exclusive: string, { signal = never() }: SignalOption = {}): Promise<Job | null> {
    const row = await this.#store.readOpenExclusive(exclusive, signal);
    return row === null ? null : this.latest(row);
  }

  /**
   * The result of a job that is done, checked against its kind's schema; null of any other one. Of a kind that only other
   * nodes know it is the JSON as it is.
   */
  resultOf(job: Job): unknown {
    if (job.state !== "done") return null;
    if (!this.#kinds.names.includes(job.kind)) return job.result;
    const parsed = this.#kinds.get(job.kind).resultSchema.safeParse(job.result);
    if (parsed.success) return parsed.data;
    throw new InternalError(`the result of job ${job.id} can't be read back`, { cause: parsed.error });
  }

  /**
   * Asks a job to stop, on whichever node it runs, and waits until it has. No effect on one that has ended.
   * @throws {NotFoundError} @throws the reason of `signal`, while the job goes on stopping.
   */
  async cancel(id: string, { signal = never() }: SignalOption = {}): Promise<Job> {
    for (;;) {
      const waiting = this.#nextChange(id, signal); // Before the read, so that no change is missed between the two.
      try {
        // Requested each time: this also ends a job whose node was lost meanwhile.
        const row = await this.#store.cancel(id, signal);
        if (row === null) throw new NotFoundError(`there is no job ${JSON.stringify(id)}: it may no longer be kept`);
        const job = this.latest(row);
        if (hasEnded(job)) return job;
        this.#runner.cancel(id);
        await waiting.done;
        signal.throwIfAborted();
      } finally {
        waiting.end();
      }
    }
  }

  /**
   * A job as it is, then each change, until it has ended or `signal` fires. Figures of a job of another node come with a
   * delay of two seconds at most.
   * @throws {NotFoundError}
   */
  async *changes(id: string, { signal = never() }: SignalOption = {}): AsyncGenerator<Job, void, undefined> {
    let told = "";
    let job = null as Job | null;
    while (!signal.aborted) {
      const waiting = this.#nextChange(id, signal); // Before the read, so that no change is missed between the two.
      try {
        const progress = this.#runner.progressOf(id);
        // A job that runs here publishes its figures itself; the ledger is read for its beginning and its end.
        job = job === null || progress === null ? await this.get(id, { signal }) : { ...job, progress };
        const text = JSON.stringify([job.state, job.progress]);
        if (text !== told) yield job;
        told = text;
        if (hasEnded(job)) return;
        await waiting.done;
      } finally {
        waiting.end();
      }
    }
  }

  /**
   * Schedules a kind of job; each run takes place on one node. Replaces a schedule of that name; setting the same schedule
   * again does not move its next run. The runs of one schedule never overlap. A run that was missed, however often, happens once.
   * @param schedule `atOnce`: the first run of a new interval is due now rather than after one interval.
   * @throws {ValidationError} {ConfigurationError}
   */
  async schedule(
    name: string,
    schedule: { kind: string; input?: unknown; rhythm: Rhythm; atOnce?: boolean },
    { signal = never() }: SignalOption = {},
  ): Promise<void> {
    const { input } = newJob(this.#kinds.get(schedule.kind), schedule.input ?? {});
    encodeJson("input", JSON.parse(input), PAYLOAD_BYTES_MAX.input);
    if (!/^[\w.:-]{1,128}$/.test(name)) {
      throw new ConfigurationError(`schedule ${JSON.stringify(name)}: expected 1 to 128 of A-Z a-z 0-9 _ . : -`);
    }
    const existing = await this.#store.listSchedules(SCHEDULES_MAX, signal);
    if (existing.length >= SCHEDULES_MAX && !existing.some((other) => other.name === name)) {
      throw new ConfigurationError(`there are ${existing.length} schedules, and ${SCHEDULES_MAX} is the limit`);
    }
    const rhythm = await keptRhythm(schedule.rhythm);
    await this.#store.putSchedule(
      { name, kind: schedule.kind, input, ...rhythm },
      (now) =>
        schedule.atOnce === true && rhythm.cron === null
          ? Promise.resolve(now + rhythm.delayMs)
          : nextDue(rhythm, null, now),
      signal,
    );
  }

  /** @returns false when there is no schedule of that name. A job that it made goes on. */
  async unschedule(name: string, { signal = never() }: SignalOption = {}): Promise<boolean> {
    return await this.#store.dropSchedule(name, signal);
  }

  async schedules({ signal = never() }: SignalOption = {}): Promise<Schedule[]> {
    const rows = await this.#store.listSchedules(SCHEDULES_MAX, signal);
    return rows.map(({ name, kind, input, intervalMs, cron, timeZone, jitterMs, dueAt, lastJobId }) => ({
      name,
      kind,
      input: JSON.parse(input) as unknown,
      rhythm: {
        ...(cron === null ? { everyMs: intervalMs ?? 0 } : { cron, timeZone: timeZone ?? "UTC" }),
        ...(jitterMs > 0 && { jitterMs }),
      },
      dueAt: new Date(Math.floor(dueAt)).toISOString(),
      lastJobId,
    }));
  }

  #outcome(inserted: { made: JobRow } | { other: JobRow } | "full"): StartOutcome {
    if (inserted === "full") return { outcome: "full" };
    if ("made" in inserted) return { outcome: "started", job: parseJob(inserted.made) };
    return { outcome: "running", job: parseJob(inserted.other) };
  }

  /** A job by its row, with the figures that this node has of it: the row's are up to a second older. */
  latest(row: JobRow): Job {
    const job = parseJob(row);
    const progress = hasEnded(job) ? null : this.#runner.progressOf(job.id);
    return progress === null ? job : { ...job, progress };
  }

  /** The next change on this node, or a time-out: changes by other nodes are found by polling the ledger. */
  #nextChange(id: string, signal: AbortSignal): { done: Promise<void>; end: () => void } {
    const waiting = new AbortController();
    const end = (): void => waiting.abort();
    const forgets = [this.#runner.onChange(id, end), onAbort(signal, end)];
    const done = pause(LOOK_MS, waiting.signal).finally(() => {
      for (const forget of forgets) forget();
    });
    return { done, end };
  }
}

function never(): AbortSignal {
  return new AbortController().signal;
}
