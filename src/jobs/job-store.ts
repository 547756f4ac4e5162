import type { PostgresAccess, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import * as jobs from "../ledger/job-statements.ts";
import * as schedules from "../ledger/schedule-statements.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { INTERRUPTED } from "./job.ts";

/** Jobs that are queued or run, on all nodes together. */
export const OPEN_MAX = 1_000;

const LOST = JSON.stringify({ code: INTERRUPTED, message: "the node that ran the job is gone: start it again" });

/** The jobs in the ledger. Each call is one statement, or one short transaction, and has a deadline. */
export class JobStore {
  readonly nodeId: string;
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { nodeId: string; callTimeoutMs: number }) {
    this.#postgres = postgres;
    this.nodeId = options.nodeId;
    this.#callTimeoutMs = options.callTimeoutMs;
  }

  /**
   * Inserts a job, queued, or running here with `claim`.
   * @returns the open job in its way, when one has the same `exclusive`; `full` when `OPEN_MAX` jobs are open.
   */
  async insert(
    job: jobs.NewJob,
    claim: jobs.Claim | null,
    signal: AbortSignal,
  ): Promise<{ made: jobs.JobRow } | { other: jobs.JobRow } | "full"> {
    return await this.#connection(signal, async ({ sql }) => {
      for (;;) {
        const made = await jobs.insertJob(sql, job, claim, OPEN_MAX);
        if (made !== null) return { made };
        const other = job.exclusive === null ? null : await jobs.readOpenExclusive(sql, job.exclusive);
        if (other !== null) {
          // The excluding job may belong to a lost node that no runner has noticed yet.
          if ((await jobs.endLostJobs(sql, LOST)) === 0) return { other };
        } else if ((await jobs.countOpenJobs(sql)) >= OPEN_MAX) return "full";
        // Otherwise the excluding job ended between the two statements: the next attempt inserts.
      }
    });
  }

  async readOpenExclusive(exclusive: string, signal: AbortSignal): Promise<jobs.JobRow | null> {
    return await this.#connection(signal, ({ sql }) => jobs.readOpenExclusive(sql, exclusive));
  }

  async read(id: string, signal: AbortSignal): Promise<jobs.JobRow | null> {
    return await this.#connection(signal, ({ sql }) => jobs.readJob(sql, id));
  }

  async list(limit: number, signal: AbortSignal): Promise<jobs.JobRow[]> {
    return await this.#connection(signal, ({ sql }) => jobs.listJobs(sql, limit));
  }

  async claim(claim: Omit<jobs.JobClaim, "nodeId">, signal: AbortSignal): Promise<(jobs.JobRow & { runId: string })[]> {
    return await this.#connection(signal, ({ sql }) => jobs.claimJobs(sql, { ...claim, nodeId: this.nodeId }));
  }

  /** Ends jobs that no node can continue. @returns how many. */
  async endLost(signal: AbortSignal): Promise<number> {
    return await this.#connection(signal, ({ sql }) => jobs.endLostJobs(sql, LOST));
  }

  async renew(
    id: string,
    claim: { runId: string; leaseMs: number },
    progress: string,
    signal: AbortSignal,
  ): Promise<{ cancelRequested: boolean } | null> {
    return await this.#connection(signal, ({ sql }) => jobs.renewJob(sql, id, claim, progress));
  }

  async saveCheckpoint(id: string, runId: string, checkpoint: string, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => jobs.saveJobCheckpoint(sql, id, runId, checkpoint));
  }

  async end(id: string, runId: string, end: jobs.JobEnd, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => jobs.endJob(sql, id, runId, end));
  }

  async release(id: string, runId: string, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => jobs.releaseJob(sql, id, runId));
  }

  /** Gives jobs of runs that never began back. */
  async releaseUnbegun(runIds: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => jobs.releaseUnbegun(sql, runIds));
  }

  async cancel(id: string, signal: AbortSignal): Promise<jobs.JobRow | null> {
    return await this.#connection(signal, ({ sql }) => jobs.cancelJob(sql, id));
  }

  async prune(keptMax: number, retentionMs: number, signal: AbortSignal): Promise<number> {
    return await this.#connection(signal, ({ sql }) => jobs.pruneJobs(sql, keptMax, retentionMs));
  }

  /** @param dueAt the first due time, by the server's clock. */
  async putSchedule(
    schedule: Omit<schedules.ScheduleRow, "dueAt" | "lastJobId">,
    dueAt: (now: number) => Promise<number>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#connection(signal, async ({ sql }) => {
      const now = await schedules.readClock(sql);
      await schedules.putSchedule(sql, { ...schedule, dueAt: await dueAt(now) }, now);
    });
  }

  async dropSchedule(name: string, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => schedules.dropSchedule(sql, name));
  }

  async listSchedules(limit: number, signal: AbortSignal): Promise<schedules.ScheduleRow[]> {
    return await this.#connection(signal, ({ sql }) => schedules.listSchedules(sql, limit));
  }

  /**
   * Makes the jobs of schedules that are due. Both in one transaction: a run is made and its schedule moved on, or neither.
   * @param decide the job to make, if any, and the next due time.
   * @returns how many jobs were made.
   */
  async runSchedules(
    kinds: readonly string[],
    limit: number,
    decide: (schedule: schedules.ScheduleRow, now: number) => Promise<{ job: jobs.NewJob | null; dueAt: number }>,
    signal: AbortSignal,
  ): Promise<number> {
    return await this.#connection(signal, async ({ sql }) => {
      await sql`begin`;
      const due = await schedules.lockSchedules(sql, kinds, limit);
      let made = 0;
      for (const schedule of due) {
        const now = await schedules.readClock(sql);
        const { job, dueAt } = await decide(schedule, now);
        const row = job === null ? null : await jobs.insertJob(sql, job, null, OPEN_MAX);
        if (row !== null) made++;
        // The previous run is open still, or too many are: the schedule stays due, and this run happens once afterwards.
        if (job === null || row !== null) {
          await schedules.rescheduleAt(sql, schedule.name, dueAt, now, row?.id ?? null);
        }
      }
      await sql`commit`;
      return made;
    });
  }

  async #connection<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) => this.#postgres.use(deadline, work));
  }
}
