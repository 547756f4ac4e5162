import { z } from "zod";
import { type Route, route } from "../route.ts";
import { count, queueSchema } from "../schemas.ts";

const OPERATOR = { scope: "admin", everywhere: true } as const;
const pausedSchema = z.object({ paused: z.boolean() });
const countSchema = z.object({ memories: z.number().int() });

const listQueue = route({
  method: "GET",
  path: "/v1/queue",
  operationId: "listQueue",
  summary: "What waits to be published, dead letters first, then the oldest",
  tag: "queue",
  access: OPERATOR,
  query: z.object({ limit: count(1, 1_000, 100) }),
  responses: { 200: { description: "Queue rows", schema: queueSchema } },
  async handle({ query, signal }, { sync }) {
    const [entries, paused] = await Promise.all([sync.backlog.list(query.limit, signal), sync.backlog.isHeld(signal)]);
    const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();
    return {
      status: 200,
      body: {
        paused,
        entries: entries.map((entry) => ({
          ...entry,
          enqueuedAt: iso(entry.enqueuedAt),
          nextAttemptAt: iso(entry.nextAttemptAt),
        })),
      },
    };
  },
});

const retryDead = route({
  method: "POST",
  path: "/v1/queue/retry",
  operationId: "retryDeadLetters",
  summary: "Make dead letters due again",
  tag: "queue",
  access: OPERATOR,
  responses: { 200: { description: "How many", schema: countSchema } },
  async handle(_request, { sync }) {
    return { status: 200, body: { memories: await sync.backlog.replay() } };
  },
});

const dropDead = route({
  method: "POST",
  path: "/v1/queue/drop",
  operationId: "dropDeadLetters",
  summary: "Forget dead letters: their stores stay behind until a check finds them",
  tag: "queue",
  access: OPERATOR,
  responses: { 200: { description: "How many", schema: countSchema } },
  async handle(_request, { sync }) {
    return { status: 200, body: { memories: await sync.backlog.drop() } };
  },
});

const pauseQueue = route({
  method: "POST",
  path: "/v1/queue/pause",
  operationId: "pauseQueue",
  summary: "No node works the backlog any more, until it is resumed: kept in the ledger, across restarts",
  tag: "queue",
  access: OPERATOR,
  responses: { 200: { description: "Paused", schema: pausedSchema } },
  async handle({ signal }, { sync }) {
    await sync.backlog.hold(signal);
    return { status: 200, body: { paused: true } };
  },
});

const resumeQueue = route({
  method: "POST",
  path: "/v1/queue/resume",
  operationId: "resumeQueue",
  summary: "All nodes work the backlog again; what waited is published",
  tag: "queue",
  access: OPERATOR,
  responses: { 200: { description: "Resumed", schema: pausedSchema } },
  async handle({ signal }, { sync }) {
    await sync.backlog.release(signal);
    return { status: 200, body: { paused: false } };
  },
});

export const queueRoutes: readonly Route[] = [listQueue, retryDead, dropDead, pauseQueue, resumeQueue];
