import * as z from "zod";
import { queueDocument, queueSchema } from "../../documents/operation-documents.ts";
import { count } from "../requests.ts";
import { OPERATOR, type Route, type RouteGroup, route } from "../route.ts";

const listQueue = route({
  method: "GET",
  path: "/v1/queue",
  operationId: "listQueue",
  summary: "Queued memories: dead letters first, then the oldest",
  access: OPERATOR,
  query: () => z.object({ limit: count(1, 1_000, 100) }),
  responses: { 200: { description: "Queue rows", schema: queueSchema } },
  async handle({ query, signal }, { sync }) {
    const [entries, paused] = await Promise.all([
      sync.backlog.list({ limit: query.limit, signal }),
      sync.backlog.isPaused({ signal }),
    ]);
    return { status: 200, body: queueDocument(entries, paused) };
  },
});

type Service = Parameters<Route["handle"]>[1];

/** An order without a body. @param act returns how many memories it concerned. */
function deadLetters(verb: "retry" | "drop", summary: string, act: (service: Service) => Promise<number>): Route {
  return route({
    method: "POST",
    path: `/v1/queue/${verb}`,
    operationId: `${verb}DeadLetters`,
    summary,
    access: OPERATOR,
    responses: { 200: { description: "How many", schema: () => z.object({ memories: z.number().int() }) } },
    handle: async (_request, service) => ({ status: 200, body: { memories: await act(service) } }),
  });
}

const retryDead = deadLetters("retry", "Make dead letters due again", ({ sync }) => sync.backlog.retry());
const dropDead = deadLetters(
  "drop",
  "Forget dead letters: their stores stay behind until a check finds the drift",
  ({ sync }) => sync.backlog.drop(),
);

const pausedResponse = {
  description: "Whether the backlog is paused now",
  schema: () => z.object({ paused: z.boolean() }),
};

const pauseQueue = route({
  method: "POST",
  path: "/v1/queue/pause",
  operationId: "pauseQueue",
  summary: "Pause the backlog on every node until it is resumed. The ledger keeps the pause across restarts",
  access: OPERATOR,
  responses: { 200: pausedResponse },
  async handle({ signal }, { sync }) {
    await sync.backlog.pause({ signal });
    return { status: 200, body: { paused: true } };
  },
});

const resumeQueue = route({
  method: "POST",
  path: "/v1/queue/resume",
  operationId: "resumeQueue",
  summary: "Resume the backlog on every node: queued memories are published",
  access: OPERATOR,
  responses: { 200: pausedResponse },
  async handle({ signal }, { sync }) {
    await sync.backlog.resume({ signal });
    return { status: 200, body: { paused: false } };
  },
});

export const backlogGroup: RouteGroup = {
  tag: "queue",
  description: "The queue of the backlog: committed memories that some store does not have yet",
  routes: [listQueue, retryDead, dropDead, pauseQueue, resumeQueue],
};
