import * as z from "zod";
import type { ConsistencyReport } from "../consistency/check/report.ts";
import type { RepairReport } from "../consistency/repair/repair-options.ts";
import { lazily } from "../domain/lazily.ts";
import type { Job } from "../jobs/job.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { reembedReportSchema } from "../jobs/kinds/reembed.ts";
import { checkResult, repairResult } from "./consistency-documents.ts";
import { errorFields, instant } from "./fields.ts";

/** Jobs, as HTTP and `--json` show them. */

export const jobSchema = lazily(() =>
  z
    .strictObject({
      id: z.string(),
      kind: z.string().describe("check, repair, fill (of a new store), reembed, or a kind that a program registered"),
      state: z.enum(["running", "done", "failed", "cancelled"]),
      progress: z.record(z.string(), z.number()),
      nodeId: z.string().nullable().describe("The node that runs it, or ran it last; null: it waits for a node"),
      startedAt: instant().describe("When it began; while it waits for a node: when it was made"),
      endedAt: instant().nullable(),
      error: errorFields().nullable(),
      result: z
        .unknown()
        .describe(
          "Of a check: clean, checked, findings. Of a repair: repaired, failed, deferred. Of reembed: embedded, failed, complete",
        ),
    })
    .meta({ id: "Job" }),
);

/** What `reembed --json` prints, and the result of a job of that kind. */
export const reembedSchema = lazily(() => z.strictObject(reembedReportSchema().shape));

export const jobsSchema = lazily(() => z.strictObject({ jobs: z.array(jobSchema()) }));

/** A job that waits for a node is `running` to its readers. The lists in a result have a bounded length. */
export function jobDocument(jobs: Pick<Jobs, "resultOf">, job: Job): z.output<ReturnType<typeof jobSchema>> {
  const { id, kind, state, progress, nodeId, createdAt, startedAt, endedAt, error } = job;
  return {
    id,
    kind,
    state: state === "queued" ? "running" : state,
    progress: { ...progress },
    nodeId,
    startedAt: startedAt ?? createdAt,
    endedAt,
    error,
    result: job.result === null ? null : shownResult(kind, jobs.resultOf(job)),
  };
}

/** @param result as `resultOf` gave it: checked against the schema of its kind. */
function shownResult(kind: string, result: unknown): unknown {
  if (kind === "check") return checkResult(result as ConsistencyReport);
  if (kind === "repair") return repairResult(result as RepairReport);
  return result;
}
