import type { Job } from "../../jobs/job.ts";
import { hasEnded } from "../../jobs/job.ts";
import { NO_COUNTS, type RunCounts, type RunRecord } from "../state/state.ts";
import { orderSchema, outcomeSchema } from "./connector-kind.ts";
import type { RunOutcome } from "./work.ts";

/** A run of a connector, as its row, its job, or both say. */
export interface ConnectorRun extends Omit<RunRecord, "state" | "startedAt"> {
  readonly connectorId: string;
  /** `queued`: no node has begun it yet, or the node that had it has stopped. */
  readonly state: RunRecord["state"] | "queued";
  readonly startedAt: number | null;
  readonly isDryRun: boolean;
  /** Of a connector from one service to another: what its second half did; null before that. */
  readonly delivery: RunRecord | null;
}

/** A run as it was kept. One that is noted as running without a job that runs has lost its process. */
export function keptRun(
  connectorId: string,
  run: RunRecord,
  delivery: RunRecord | null,
  job: Job | null,
): ConnectorRun {
  if (job !== null && !hasEnded(job)) return openRun(connectorId, job, run, delivery);
  const base = { connectorId, isDryRun: false, delivery };
  if (run.state !== "running") return { ...base, ...run };
  const isFailed = job?.state === "failed";
  return { ...base, ...run, state: isFailed ? "failed" : "interrupted", error: isFailed ? job.error : null };
}

/** A run that its job alone knows: it has not begun, it was a dry run, or it ended before it began. */
export function runOfJob(connectorId: string, job: Job): ConnectorRun {
  if (!hasEnded(job)) return openRun(connectorId, job, null, null);
  const outcome = job.state === "done" ? outcomeSchema().safeParse(job.result) : null;
  if (outcome?.success) return { connectorId, isDryRun: isDry(job), ...partsOf(outcome.data) };
  const state = job.state === "failed" ? "failed" : "cancelled";
  return { ...openRun(connectorId, job, null, null), state, endedAt: timeOf(job.endedAt), error: job.error };
}

function openRun(connectorId: string, job: Job, run: RunRecord | null, delivery: RunRecord | null): ConnectorRun {
  return {
    ...{ connectorId, id: job.id, isDryRun: isDry(job), delivery },
    state: job.state === "queued" ? "queued" : "running",
    scope: orderOf(job)?.scope ?? run?.scope ?? "changes",
    counts:
      job.state === "running" && Object.keys(job.progress).length > 0 ? countsOf(job) : (run?.counts ?? NO_COUNTS),
    startedAt: run?.startedAt ?? timeOf(job.startedAt),
    endedAt: null,
    cursorBefore: run?.cursorBefore ?? null,
    cursorAfter: run?.cursorAfter ?? null,
    error: null,
  };
}

function partsOf({ run, delivery }: RunOutcome): RunRecord & { readonly delivery: RunRecord | null } {
  return { ...run, delivery };
}

function countsOf({ progress }: Job): RunCounts {
  const counts = Object.keys(NO_COUNTS).map((name) => [name, progress[name] ?? 0]);
  return Object.fromEntries(counts) as unknown as RunCounts;
}

function isDry(job: Job): boolean {
  return orderOf(job)?.dryRun === true;
}

function orderOf(job: Job) {
  const { connectorId: _, ...order } = job.input as { connectorId?: string };
  const parsed = orderSchema().safeParse(order);
  return parsed.success ? parsed.data : null;
}

function timeOf(text: string | null): number | null {
  return text === null ? null : Date.parse(text);
}
