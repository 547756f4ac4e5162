import { z } from "zod";
import { checkResult, repairResult } from "../../documents/consistency-documents.ts";
import { jobSchema } from "../../documents/operation-documents.ts";
import { CHECK_SCOPES, type ConsistencyReport } from "../../index.ts";
import { streamJob } from "../job-events.ts";
import { HttpProblem } from "../problem.ts";
import { ulidText } from "../requests.ts";
import { OPERATOR, type RouteGroup, route } from "../route.ts";

const jobParams = z.object({ jobId: ulidText });

const startCheck = route({
  method: "POST",
  path: "/v1/checks",
  operationId: "startCheck",
  summary: "Compare the stores with the ledger",
  access: OPERATOR,
  body: z.strictObject({ scope: z.enum(CHECK_SCOPES).default("full") }).meta({ id: "CheckRequest" }),
  responses: {
    202: { description: "Running", schema: jobSchema, headers: { Location: "The job" } },
    409: { description: "Another job is running" },
  },
  async handle({ body }, service) {
    const { sync } = service;
    const job = service.jobs.start(
      "check",
      (signal, progress) =>
        sync.checkConsistency({ scope: body.scope, signal, onProgress: (figures) => progress({ ...figures }) }),
      checkResult,
    );
    return { status: 202, headers: { location: `/v1/jobs/${job.id}` }, body: job };
  },
});

const startRepair = route({
  method: "POST",
  path: "/v1/repairs",
  operationId: "startRepair",
  summary: "Repair what a check found, each finding verified by reading back",
  access: OPERATOR,
  body: z
    .strictObject({
      checkJobId: ulidText.optional().describe("The check to go on from; by default a new one is made"),
      scope: z.enum(CHECK_SCOPES).default("full").describe("Of the new check"),
      strategy: z
        .string()
        .min(1)
        .max(64)
        .optional()
        .describe("Who decides conflicts; option repairStrategy by default"),
      dryRun: z.boolean().default(false).describe("Only say what would be done"),
    })
    .meta({ id: "RepairRequest" }),
  responses: {
    202: { description: "Running", schema: jobSchema, headers: { Location: "The job" } },
    404: { description: "There is no such check" },
    409: { description: "Another job is running, or the check has not ended well" },
  },
  async handle({ body }, service) {
    const { sync } = service;
    const found = body.checkJobId === undefined ? null : checkOutcome(service.jobs, body.checkJobId);
    const job = service.jobs.start(
      "repair",
      async (signal, progress) => {
        const onProgress = (figures: object): void => progress({ ...figures } as Record<string, number>);
        const report = found ?? (await sync.checkConsistency({ scope: body.scope, signal, onProgress }));
        const { strategy, dryRun } = body;
        return await sync.repairInconsistencies(report, { signal, onProgress, dryRun, ...(strategy && { strategy }) });
      },
      repairResult,
    );
    return { status: 202, headers: { location: `/v1/jobs/${job.id}` }, body: job };
  },
});

const listJobs = route({
  method: "GET",
  path: "/v1/jobs",
  operationId: "listJobs",
  summary: "Jobs of this node, newest first; a restart forgets them",
  access: OPERATOR,
  responses: { 200: { description: "Jobs", schema: z.object({ jobs: z.array(jobSchema) }) } },
  async handle(_request, { jobs }) {
    // Results are shown one by one: together they may be large.
    return { status: 200, body: { jobs: jobs.list().map((job) => ({ ...job, result: null })) } };
  },
});

const getJob = route({
  method: "GET",
  path: "/v1/jobs/{jobId}",
  operationId: "getJob",
  summary: "A job with its outcome",
  access: OPERATOR,
  params: jobParams,
  responses: { 200: { description: "The job", schema: jobSchema }, 404: { description: "Unknown, or forgotten" } },
  async handle({ params }, { jobs }) {
    return { status: 200, body: jobs.get(params.jobId) };
  },
});

const cancelJob = route({
  method: "DELETE",
  path: "/v1/jobs/{jobId}",
  operationId: "cancelJob",
  summary: "Stop a job; what it has repaired stays repaired",
  access: OPERATOR,
  params: jobParams,
  responses: { 200: { description: "Stopped, or ended before", schema: jobSchema }, 404: { description: "Unknown" } },
  async handle({ params }, { jobs }) {
    return { status: 200, body: await jobs.cancel(params.jobId) };
  },
});

const watchJob = route({
  method: "GET",
  path: "/v1/jobs/{jobId}/events",
  operationId: "watchJob",
  summary: "A job's progress as server-sent events: `progress` until one `end`",
  access: OPERATOR,
  params: jobParams,
  responses: {
    200: { description: "Each event's data is the job", schema: z.string(), mediaType: "text/event-stream" },
    404: { description: "Unknown, or forgotten" },
  },
  async handle({ params, signal }, service) {
    service.jobs.get(params.jobId); // 404 before the stream begins.
    return { status: 200, stream: (response) => streamJob(service, params.jobId, response, signal) };
  },
});

function checkOutcome(jobs: { get(id: string): { kind: string }; outcome(id: string): unknown }, id: string) {
  const { kind } = jobs.get(id);
  const outcome = jobs.outcome(id) as ConsistencyReport | undefined;
  if (kind === "check" && outcome !== undefined) return outcome;
  throw new HttpProblem(409, "JOB_RUNNING", `job ${id} is no check that has ended well`);
}

export const jobGroup: RouteGroup = {
  tag: "jobs",
  description: "Checks and repairs that outlive their request",
  routes: [startCheck, startRepair, listJobs, getJob, cancelJob, watchJob],
};
