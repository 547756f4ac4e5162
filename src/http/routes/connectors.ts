import * as z from "zod";
import {
  connectorDocument,
  connectorInputSchema,
  connectorRunDocument,
  connectorRunSchema,
  connectorRunsSchema,
  connectorSchema,
  connectorStatusDocument,
  connectorStatusSchema,
  connectorsSchema,
  connectorTestSchema,
} from "../../documents/connector-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import { sendRun } from "../progress-events.ts";
import { count, ulidText } from "../requests.ts";
import { OPERATOR, type Route, type RouteGroup, route, type Service } from "../route.ts";
import { letterRoutes } from "./connector-letters.ts";
import { mediaRoutes } from "./connector-media.ts";
import { busy, connectorId, connectorParams, started, startedReply, unknown } from "./connector-parts.ts";

const runParams = lazily(() => connectorParams().extend({ runId: ulidText() }));
const unfit = { description: "The definition is not valid, or is the settings file's" };

const list = route({
  method: "GET",
  path: "/v1/connectors",
  operationId: "listConnectors",
  summary: "How all connectors are, by their ids",
  access: OPERATOR,
  responses: { 200: { description: "Connectors", schema: connectorsSchema } },
  async handle({ signal }, { sync }) {
    const statuses = await sync.connectors.statuses({ signal });
    return { status: 200, body: { connectors: statuses.map((status) => connectorStatusDocument(status)) } };
  },
});

const create = route({
  method: "POST",
  path: "/v1/connectors",
  operationId: "createConnector",
  summary: "Make a connector. Its keys are encrypted and never shown again",
  access: OPERATOR,
  body: () => z.strictObject({ id: connectorId(), definition: connectorInputSchema() }).meta({ id: "NewConnector" }),
  responses: {
    201: { description: "Made", schema: connectorSchema, headers: { Location: "It" } },
  },
  async handle({ body: { id, definition: given }, signal }, { sync }) {
    const made = await sync.connectors.create(id, given, { signal });
    return { status: 201, headers: { location: `/v1/connectors/${id}` }, body: connectorDocument(made) };
  },
});

const read = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}",
  operationId: "getConnector",
  summary: "A connector as it is defined, without its keys",
  access: OPERATOR,
  params: connectorParams,
  responses: { 200: { description: "The connector", schema: connectorSchema }, 404: unknown },
  async handle({ params, signal }, { sync }) {
    return { status: 200, body: connectorDocument(await sync.connectors.get(params.connectorId, { signal })) };
  },
});

const replace = route({
  method: "PUT",
  path: "/v1/connectors/{connectorId}",
  operationId: "replaceConnector",
  summary: "Replace a definition. A key that reads (hidden) stays as it is; a run that goes on keeps the one before",
  access: OPERATOR,
  params: connectorParams,
  query: () => z.object({ revision: count(1, Number.MAX_SAFE_INTEGER).optional() }),
  body: connectorInputSchema,
  responses: { 200: { description: "Replaced", schema: connectorSchema }, 404: unknown },
  async handle({ params, query: { revision }, body, signal }, { sync }) {
    const replaced = await sync.connectors.replace(params.connectorId, body, { revision, signal });
    return { status: 200, body: connectorDocument(replaced) };
  },
});

const remove = route({
  method: "DELETE",
  path: "/v1/connectors/{connectorId}",
  operationId: "removeConnector",
  summary: "Remove a connector and what is known of it. Memories stay, and what a service was sent",
  access: OPERATOR,
  params: connectorParams,
  responses: { 204: { description: "Removed" }, 404: unknown, 409: busy, 422: unfit },
  async handle({ params, signal }, { sync }) {
    await sync.connectors.remove(params.connectorId, { signal });
    return { status: 204 };
  },
});

const status = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}/status",
  operationId: "getConnectorStatus",
  summary: "How a connector is: its state, its schedule, its last run",
  access: OPERATOR,
  params: connectorParams,
  responses: { 200: { description: "The connector", schema: connectorStatusSchema }, 404: unknown },
  async handle({ params, signal }, { sync }) {
    return { status: 200, body: connectorStatusDocument(await sync.connectors.status(params.connectorId, { signal })) };
  },
});

function change(verb: "pause" | "resume" | "reset", summary: string): Route {
  return route({
    method: "POST",
    path: `/v1/connectors/{connectorId}/${verb}`,
    operationId: `${verb}Connector`,
    summary,
    access: OPERATOR,
    params: connectorParams,
    responses: {
      200: { description: "The connector afterwards", schema: connectorStatusSchema },
      404: unknown,
      ...(verb === "reset" && { 409: busy }),
    },
    async handle({ params, signal }, { sync }) {
      return {
        status: 200,
        body: connectorStatusDocument(await sync.connectors[verb](params.connectorId, { signal })),
      };
    },
  });
}

const flags = lazily(() => ({
  force: z.boolean().default(false).describe("Take items again although they say what they said"),
  limit: z.int().min(1).optional().describe("Items to import at most; the run is partial then"),
  dryRun: z.boolean().default(false).describe("Count what would be done, and do nothing: of a source"),
  allowMassDelete: z.boolean().default(false).describe("Delete also where that is more than a fifth"),
}));

const trigger = route({
  method: "POST",
  path: "/v1/connectors/{connectorId}/trigger",
  operationId: "triggerConnector",
  summary: "Make a run now, beside the schedule",
  access: OPERATOR,
  params: connectorParams,
  body: () =>
    z
      .strictObject({ scope: z.enum(["changes", "full"]).default("changes"), ...flags() })
      .meta({ id: "ConnectorTrigger" }),
  responses: { ...started, 404: unknown, 409: busy },
  async handle({ params, body, signal }, { sync }) {
    return startedReply(
      await sync.connectors.trigger(params.connectorId, { ...body, limit: body.limit ?? null, signal }),
    );
  },
});

const backfill = route({
  method: "POST",
  path: "/v1/connectors/{connectorId}/backfill",
  operationId: "backfillConnector",
  summary: "Read everything again, now, and compare: a source finds what no reading by time finds, and what is gone",
  access: OPERATOR,
  params: connectorParams,
  body: () => z.strictObject(flags()).meta({ id: "ConnectorBackfill" }),
  responses: { ...started, 404: unknown, 409: busy },
  async handle({ params, body, signal }, { sync }) {
    return startedReply(
      await sync.connectors.backfill(params.connectorId, { ...body, limit: body.limit ?? null, signal }),
    );
  },
});

const cancel = route({
  method: "POST",
  path: "/v1/connectors/{connectorId}/cancel",
  operationId: "cancelConnector",
  summary: "End the run that goes on, on whichever node, and wait until it has; what it did stays",
  access: OPERATOR,
  params: connectorParams,
  responses: {
    200: {
      description: "The run; null: there was none",
      schema: () => z.strictObject({ run: connectorRunSchema().nullable() }),
    },
    404: unknown,
  },
  async handle({ params, signal }, { sync }) {
    const run = await sync.connectors.cancel(params.connectorId, { signal });
    return { status: 200, body: { run: run === null ? null : connectorRunDocument(run) } };
  },
});

const test = route({
  method: "POST",
  path: "/v1/connectors/{connectorId}/test",
  operationId: "testConnector",
  summary: "Ask the services whether they answer and take the keys",
  access: OPERATOR,
  params: connectorParams,
  responses: {
    200: { description: "They do", schema: connectorTestSchema },
    404: unknown,
    502: { description: "One of them does not: the document says why" },
  },
  async handle({ params, signal }, { sync }) {
    await sync.connectors.test(params.connectorId, { signal });
    return { status: 200, body: { ok: true } };
  },
});

const listRuns = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}/runs",
  operationId: "listConnectorRuns",
  summary: "Runs, the newest first",
  access: OPERATOR,
  params: connectorParams,
  query: () => z.object({ limit: count(1, 1_000, 20), before: ulidText().optional() }),
  responses: { 200: { description: "Runs", schema: connectorRunsSchema }, 404: unknown },
  async handle({ params, query, signal }, { sync }) {
    const runs = await sync.connectors.runs(params.connectorId, { ...query, signal });
    return { status: 200, body: { runs: runs.map(connectorRunDocument) } };
  },
});

const noRun = { description: "There is no such connector, or no such run any more" };

const getRun = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}/runs/{runId}",
  operationId: "getConnectorRun",
  summary: "A run",
  access: OPERATOR,
  params: runParams,
  responses: { 200: { description: "The run", schema: connectorRunSchema }, 404: noRun },
  async handle({ params, signal }, { sync }) {
    const run = await sync.connectors.run(params.connectorId, params.runId, { signal });
    return { status: 200, body: connectorRunDocument(run) };
  },
});

const watchRun = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}/runs/{runId}/events",
  operationId: "watchConnectorRun",
  summary:
    "A run's progress as server-sent events: `progress` until one `end`; `closed` where the service ends the stream before",
  access: OPERATOR,
  params: runParams,
  responses: {
    200: { description: "Each event's data is the run", schema: () => z.string(), mediaType: "text/event-stream" },
    404: noRun,
  },
  async handle(request, service: Service) {
    const { connectorId: id, runId } = request.params;
    await service.sync.connectors.run(id, runId, { signal: request.signal }); // 404 before the stream begins.
    const place = service.streams.take(request);
    return {
      status: 200,
      stream: (response) => void place.run(response, { jobId: runId }, (stream) => sendRun(service, id, runId, stream)),
    };
  },
});

export const connectorGroup: RouteGroup = {
  tag: "connectors",
  description: "Connectors to other services: memories in, and out, on a schedule",
  routes: [
    list,
    create,
    read,
    replace,
    remove,
    status,
    trigger,
    change("pause", "Make no runs by the schedule until it is resumed. A run that goes on goes on"),
    change("resume", "Make runs by the schedule again"),
    cancel,
    backfill,
    change("reset", "Have the next run read from the start; what is known of items stays"),
    test,
    listRuns,
    getRun,
    watchRun,
    ...letterRoutes,
    ...mediaRoutes,
  ],
};
