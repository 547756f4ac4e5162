import { EventEmitter } from "node:events";
import { ClosedError } from "../domain/errors.ts";
import type { JobRow, NewJob } from "../ledger/job-statements.ts";
import type { ScheduleRow } from "../ledger/schedule-statements.ts";
import type { Log } from "../runtime/log.ts";
import { AFTER_START_MS, Loop } from "../runtime/loop.ts";
import type { Service, ServiceStatus } from "../runtime/service.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { JobProgress } from "./job.ts";
import type { JobKinds } from "./job-kind.ts";
import { JobRun } from "./job-run.ts";
import type { JobStore } from "./job-store.ts";
import { newJob } from "./new-job.ts";
import { nextDue } from "./rhythm.ts";
import { UnbegunRuns } from "./unbegun-runs.ts";

export interface JobRunnerOptions {
  /** Names the service. @default "jobs" */
  readonly name?: string;
  readonly store: JobStore;
  readonly kinds: JobKinds;
  /** Ids of the stores that this node has, and what else a job may need of its node: see `JobKind.store`. */
  readonly stores: readonly string[];
  readonly log: Log;
  /** Milliseconds without a heartbeat after which a job counts as lost. 5_000 … 300_000. @default 30_000 */
  readonly leaseMs?: number;
  /** Milliseconds between two polls for jobs that other nodes queued, and for schedules. @default 5_000 */
  readonly pollIntervalMs?: number;
  /** Milliseconds between two heartbeats of a job; a cancel from another node takes effect within that time. @default 1_000 */
  readonly heartbeatMs?: number;
  /** Jobs that run on this node at a time. @default 4 */
  readonly concurrencyMax?: number;
  /** Ended jobs of a kind that are kept. @default 100 */
  readonly keptMax?: number;
  /** Milliseconds for which ended jobs are kept at most. @default 2_592_000_000 (30 days) */
  readonly retentionMs?: number;
}

const SCHEDULES_PER_PASS_MAX = 100;
/** Milliseconds between two clearings of the history. */
const PRUNE_INTERVAL_MS = 600_000;
/** Milliseconds for giving jobs back that were claimed and never begun, while the node stops. */
const RELEASE_MS = 5_000;

/**
 * Runs this node's share of the jobs. Each pass ends or takes over jobs of lost nodes, makes the jobs of due schedules, and
 * claims queued jobs up to this node's capacity.
 */
export class JobRunner implements Service {
  readonly name: string;
  readonly #options: Required<JobRunnerOptions>;
  readonly #loop: Loop;
  /** By run, not by job: a run that lost its lease may be settling while this node has the job again. */
  readonly #runs = new Map<string, JobRun>();
  readonly #unbegun = new UnbegunRuns();
  readonly #events = new EventEmitter().setMaxListeners(0);
  #stopping: Promise<void> | null = null;
  /** Serializes claims: two at once would exceed the node's capacity. */
  #turn: Promise<unknown> = Promise.resolve();
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(options: JobRunnerOptions) {
    this.name = options.name ?? "jobs";
    this.#options = {
      name: this.name,
      leaseMs: 30_000,
      pollIntervalMs: 5_000,
      heartbeatMs: 1_000,
      concurrencyMax: 4,
      keptMax: 100,
      retentionMs: 2_592_000_000,
      ...options,
    };
    this.#loop = new Loop({
      name: this.name,
      intervalMs: this.#options.pollIntervalMs,
      firstAfterMs: AFTER_START_MS,
      log: options.log,
      pass: (signal) => this.runOnce(signal).then(() => false),
    });
  }

  start(): void {
    if (this.#stopping === null) this.#loop.start();
  }

  /** Also stops the runs of this node: resumable jobs are queued again, others fail with code INTERRUPTED. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#loop.stop();
      await this.#turn; // Afterwards a job that was just being begun is among the runs.
      await Promise.all([...[...this.#runs.values()].map((run) => run.stop()), this.#releaseUnbegun()]);
    })();
    return this.#stopping;
  }

  status(): ServiceStatus {
    return this.#loop.status();
  }

  /** Polls for work at once, rather than after the interval. */
  wake(): void {
    this.#loop.wake();
  }

  /** One pass, without timers. Resolves once the claimed jobs have begun; they go on. @returns how many. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { store, kinds, log } = this.#options;
    const lost = await store.endLost(signal);
    if (lost > 0) log.warn({ jobs: lost }, "job.lost_jobs_ended");
    await store.runSchedules(
      kinds.names,
      SCHEDULES_PER_PASS_MAX,
      (schedule, now) => this.#decide(schedule, now),
      signal,
    );
    const begun = await this.#claim(signal);
    await this.#prune(signal);
    return begun;
  }

  /**
   * Makes a job and begins it on this node at once, even if the runner was not started.
   * @returns the open job that excludes it; `full` when this node or the ledger has no capacity for another job.
   */
  async begin(job: NewJob, signal: AbortSignal): Promise<{ made: JobRow } | { other: JobRow } | "full"> {
    return await this.#inTurn(async () => {
      if (this.#stopping !== null) throw new ClosedError("the job runner");
      const { store, leaseMs } = this.#options;
      if (this.#free() === 0) {
        const other = job.exclusive === null ? null : await store.readOpenExclusive(job.exclusive, signal);
        return other === null ? "full" : { other };
      }
      const claim = { nodeId: store.nodeId, runId: newUlid(), leaseMs };
      const inserted = await this.#naming([claim.runId], () => store.insert(job, claim, signal));
      if (inserted !== "full" && "made" in inserted) this.#run(inserted.made, claim.runId);
      return inserted;
    });
  }

  /** Claims queued and lost jobs of one kind, even if the runner was not started. @returns how many began. */
  async takeOver(kind: string, signal: AbortSignal): Promise<number> {
    return await this.#claim(signal, [kind]);
  }

  /** Asks a run of this node to stop. No effect on any other job. */
  cancel(id: string): void {
    this.#latest(id)?.cancel();
  }

  /** Figures of a job that runs here: newer than those in the ledger. Null for any other one. */
  progressOf(id: string): JobProgress | null {
    return this.#latest(id)?.progress ?? null;
  }

  /** Calls `listener` when a job that runs here has new figures, or has ended. @returns stops it. */
  onChange(id: string, listener: () => void): () => void {
    this.#events.on(id, listener);
    return () => this.#events.off(id, listener);
  }

  async #claim(signal: AbortSignal, kinds = this.#options.kinds.names): Promise<number> {
    return await this.#inTurn(async () => {
      const { store, stores, leaseMs } = this.#options;
      const free = this.#free();
      if (free === 0 || this.#stopping !== null) return 0;
      const runIds = Array.from({ length: free }, newUlid);
      const unbegun = this.#unbegun.ids;
      const claimed = await this.#naming(runIds, () =>
        store.claim({ kinds, stores, runIds, unbegun, leaseMs }, signal),
      );
      for (const row of claimed) this.#run(row, row.runId);
      return claimed.length;
    });
  }

  /** Keeps the runs in mind where the ledger gives no answer: it may have given them jobs, which the next claim takes. */
  async #naming<T>(runIds: readonly string[], ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      this.#unbegun.add(runIds);
      throw error;
    }
  }

  /** Other nodes need not wait for the leases of jobs that no run of this one has begun. */
  async #releaseUnbegun(): Promise<void> {
    const { store, log } = this.#options;
    const runs = this.#unbegun.ids;
    if (runs.length === 0) return;
    try {
      await store.releaseUnbegun(runs, AbortSignal.timeout(RELEASE_MS));
    } catch (error) {
      log.warn({ runs: runs.length, error: (error as Error).message }, "job.unbegun_not_released");
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined); // The caller of this turn gets the error.
    return turn;
  }

  #run(row: JobRow, runId: string): void {
    const { store, kinds, leaseMs, heartbeatMs, log } = this.#options;
    const onChange = (): void => void this.#events.emit(row.id);
    const kind = kinds.get(row.kind);
    const run = new JobRun({ store, kind, row, runId, leaseMs, heartbeatMs, log, onChange });
    this.#runs.set(runId, run);
    void run.done.finally(() => {
      this.#runs.delete(runId);
      this.#events.emit(row.id); // Not earlier: listeners read the job's end from the ledger.
      this.#loop.wake(); // There is capacity for another job.
    });
  }

  async #decide(schedule: ScheduleRow, now: number): Promise<{ job: NewJob | null; dueAt: number }> {
    const { kinds, log } = this.#options;
    const dueAt = await nextDue(schedule, schedule.dueAt, now);
    if (schedule.dueAt > now) return { job: null, dueAt }; // Set while the server's clock was ahead.
    try {
      const kind = kinds.get(schedule.kind);
      const job = newJob(kind, JSON.parse(schedule.input), schedule.name);
      return { job: { ...job, exclusive: job.exclusive ?? `schedule:${schedule.name}` }, dueAt };
    } catch (error) {
      // One bad schedule must not keep the others from running.
      log.error({ schedule: schedule.name, error: (error as Error).message }, "job.schedule_failed");
      return { job: null, dueAt };
    }
  }

  async #prune(signal: AbortSignal): Promise<void> {
    const { store, keptMax, retentionMs } = this.#options;
    if (performance.now() - this.#prunedAt < PRUNE_INTERVAL_MS) return;
    await store.prune(keptMax, retentionMs, signal);
    this.#prunedAt = performance.now();
  }

  #latest(id: string): JobRun | undefined {
    return [...this.#runs.values()].findLast((run) => run.id === id);
  }

  #free(): number {
    return Math.max(0, this.#options.concurrencyMax - this.#runs.size);
  }
}
