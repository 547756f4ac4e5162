import * as z from "zod";
import { jobDocument, jobSchema, jobsSchema } from "../../documents/job-documents.ts";
import { parseFilter } from "../../domain/filter/filter.ts";
import { lazily } from "../../domain/lazily.ts";
import { CHECK_SCOPES, type Job, type Jobs } from "../../index.ts";
import { HttpProblem } from "../problem.ts";
import { sendJob } from "../progress-events.ts";
import { namespaceName, storable, ulidText } from "../requests.ts";
import { OPERATOR, type RouteGroup, type RouteReply, route } from "../route.ts";

const jobParams = lazily(() => z.object({ jobId: ulidText() }));

const startCheck = route({
  method: "POST",
  path: "/v1/checks",
  operationId: "startCheck",
  summary: "Compare the stores with the ledger",
  access: OPERATOR,
  body: () => z.strictObject({ scope: z.enum(CHECK_SCOPES).default("full") }).meta({ id: "CheckRequest" }),
  responses: {
    202: { description: "Running", schema: jobSchema, headers: { Location: "The job" } },
    409: { description: "Another check or repair is running, on this node or another one" },
  },
  async handle({ body, signal }, { sync }) {
    return await startJob(sync.jobs, "check", body, signal);
  },
});

const startRepair = route({
  method: "POST",
  path: "/v1/repairs",
  operationId: "startRepair",
  summary: "Repair the findings of a check, each one verified by reading back",
  access: OPERATOR,
  body: () =>
    z
      .strictObject({
        checkJobId: ulidText().optional().describe("The check to continue from; by default a new one is made"),
        scope: z.enum(CHECK_SCOPES).default("full").describe("Of the new check"),
        strategy: storable(64)
          .optional()
          .describe("The strategy that decides conflicts; option repairStrategy by default"),
        dryRun: z.boolean().default(false).describe("Only list the repairs"),
      })
      .meta({ id: "RepairRequest" }),
  responses: {
    202: { description: "Running", schema: jobSchema, headers: { Location: "The job" } },
    404: { description: "There is no such check" },
    409: { description: "Another check or repair is running, or the check has not ended well" },
  },
  async handle({ body, signal }, { sync }) {
    if (body.checkJobId !== undefined) assertCheckDone(await sync.jobs.get(body.checkJobId, { signal }));
    return await startJob(sync.jobs, "repair", body, signal);
  },
});

const startReembedding = route({
  method: "POST",
  path: "/v1/reembeddings",
  operationId: "startReembedding",
  summary: "Embed memories anew by the embedder of this node; its searches are refused until the job is done",
  access: OPERATOR,
  body: () =>
    z
      .strictObject({
        model: storable(256).optional().describe("The model that this node's embedder must be of"),
        namespace: namespaceName().optional().describe("Of all namespaces by default"),
        where: z.record(z.string(), z.unknown()).default({}).describe("Only memories that pass this filter"),
      })
      .meta({ id: "ReembedRequest" }),
  responses: {
    202: { description: "Running", schema: jobSchema, headers: { Location: "The job" } },
    409: { description: "Memories are being embedded anew already, on this node or another one" },
    422: { description: "This node has no embedder, or one of another model" },
  },
  async handle({ body, signal }, { sync }) {
    parseFilter(body.where);
    return await startJob(sync.jobs, "reembed", body, signal);
  },
});

const listJobs = route({
  method: "GET",
  path: "/v1/jobs",
  operationId: "listJobs",
  summary: "Jobs of all nodes, newest first, without their results",
  access: OPERATOR,
  responses: { 200: { description: "Jobs", schema: jobsSchema } },
  async handle({ signal }, { sync }) {
    const listed = await sync.jobs.list({ signal });
    return { status: 200, body: { jobs: listed.map((job) => jobDocument(sync.jobs, job)) } };
  },
});

const getJob = route({
  method: "GET",
  path: "/v1/jobs/{jobId}",
  operationId: "getJob",
  summary: "A job with its outcome",
  access: OPERATOR,
  params: jobParams,
  responses: {
    200: { description: "The job", schema: jobSchema },
    404: { description: "Unknown, or no longer kept" },
  },
  async handle({ params, signal }, { sync }) {
    return { status: 200, body: jobDocument(sync.jobs, await sync.jobs.get(params.jobId, { signal })) };
  },
});

const cancelJob = route({
  method: "DELETE",
  path: "/v1/jobs/{jobId}",
  operationId: "cancelJob",
  summary: "Stop a job, whatever node runs it; finished repairs stay",
  access: OPERATOR,
  params: jobParams,
  responses: { 200: { description: "Stopped, or ended before", schema: jobSchema }, 404: { description: "Unknown" } },
  async handle({ params, signal }, { sync }) {
    return { status: 200, body: jobDocument(sync.jobs, await sync.jobs.cancel(params.jobId, { signal })) };
  },
});

const watchJob = route({
  method: "GET",
  path: "/v1/jobs/{jobId}/events",
  operationId: "watchJob",
  summary:
    "A job's progress as server-sent events: `progress` until one `end`; `closed` where the service ends the stream before",
  access: OPERATOR,
  params: jobParams,
  responses: {
    200: { description: "Each event's data is the job", schema: () => z.string(), mediaType: "text/event-stream" },
    404: { description: "Unknown, or no longer kept" },
  },
  async handle(request, service) {
    const { jobId } = request.params;
    await service.sync.jobs.get(jobId, { signal: request.signal }); // 404 before the stream begins.
    const place = service.streams.take(request);
    return {
      status: 200,
      stream: (response) => void place.run(response, { jobId }, (stream) => sendJob(service, jobId, stream)),
    };
  },
});

async function startJob(jobs: Jobs, kind: string, input: unknown, signal: AbortSignal): Promise<RouteReply> {
  const started = await jobs.start(kind, input, { signal });
  switch (started.outcome) {
    case "started": {
      const { job } = started;
      return { status: 202, headers: { location: `/v1/jobs/${job.id}` }, body: jobDocument(jobs, job) };
    }
    case "running": {
      const { job } = started;
      throw new HttpProblem(409, "JOB_RUNNING", `${job.kind} ${job.id} is running: wait, or cancel it`, {
        retryable: true,
        members: { jobId: job.id },
      });
    }
    case "full":
      throw new HttpProblem(503, "QUEUE_FULL", "as many jobs run as may run at a time: wait for one to end", {
        retryable: true,
        headers: { "retry-after": "5" },
      });
  }
}

/** @throws {HttpProblem} 409 */
function assertCheckDone({ id, kind, state }: Job): void {
  if (kind === "check" && state === "done") return;
  throw new HttpProblem(409, "JOB_RUNNING", `job ${id} is no check that has ended well`);
}

export const jobGroup: RouteGroup = {
  tag: "jobs",
  description: "Checks, repairs and other work that outlives its request",
  routes: [startCheck, startRepair, startReembedding, listJobs, getJob, cancelJob, watchJob],
};
