import * as z from "zod";
import {
  deadLettersDocument,
  replicaLettersSchema,
  replicaStatusDocument,
  replicaStatusSchema,
  verificationDocument,
  verificationSchema,
} from "../../documents/replica-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import type { ReplicaReport } from "../../replica/report.ts";
import { count, ulidText } from "../requests.ts";
import { OPERATOR, type Route, type RouteGroup, route, type Service } from "../route.ts";

const status = route({
  method: "GET",
  path: "/v1/replica",
  operationId: "getReplica",
  summary: "How the replica is: state, lag, dead letters. `state` is `off` without one",
  access: OPERATOR,
  responses: { 200: { description: "The replica", schema: replicaStatusSchema } },
  async handle({ signal }, { sync }) {
    return { status: 200, body: replicaStatusDocument(await sync.replica.status({ signal })) };
  },
});

const none = { 422: { description: "There is no replica, or the order does not fit" } } as const;

type Order = (service: Service, signal: AbortSignal) => Promise<ReplicaReport>;

function order(verb: "pause" | "resume" | "backfill", summary: string, act: Order): Route {
  return route({
    method: "POST",
    path: `/v1/replica/${verb}`,
    operationId: `${verb}Replica`,
    summary,
    access: OPERATOR,
    responses: { 200: { description: "The replica afterwards", schema: replicaStatusSchema }, ...none },
    handle: async ({ signal }, service) => ({ status: 200, body: replicaStatusDocument(await act(service, signal)) }),
  });
}

const pause = order(
  "pause",
  "Pause replication on every node until it is resumed. The primary keeps the pause",
  (service, signal) => service.sync.replica.pause({ signal }),
);
const resume = order("resume", "Resume replication on every node", (service, signal) =>
  service.sync.replica.resume({ signal }),
);
const backfill = order(
  "backfill",
  "Fill the replica from the start of the feed again, and compare its rows; merged reads do without it until then",
  (service, signal) => service.sync.replica.backfill({ signal }),
);

const listLetters = route({
  method: "GET",
  path: "/v1/replica/dead-letters",
  operationId: "listReplicaDeadLetters",
  summary: "Memories that the replica refused, oldest first",
  access: OPERATOR,
  query: () => z.object({ after: ulidText().optional(), limit: count(1, 1_000, 100) }),
  responses: {
    200: { description: "Dead letters, and those that are tried again", schema: replicaLettersSchema },
    ...none,
  },
  async handle({ query: { after, limit }, signal }, { sync }) {
    const letters = await sync.replica.deadLetters({ ...(after !== undefined && { after }), limit, signal });
    return { status: 200, body: deadLettersDocument(letters) };
  },
});

const oneOrAll = lazily(() => z.strictObject({ id: ulidText().optional().describe("One of them; without it all") }));

const retry = route({
  method: "POST",
  path: "/v1/replica/dead-letters/retry",
  operationId: "retryReplicaDeadLetters",
  summary: "Try memories again that the replica refused: one, or all",
  access: OPERATOR,
  body: oneOrAll,
  responses: {
    200: { description: "How many", schema: lazily(() => z.strictObject({ memories: z.number().int() })) },
    404: { description: "There is no such dead letter" },
    ...none,
  },
  async handle({ body: { id }, signal }, { sync }) {
    return { status: 200, body: { memories: await sync.replica.retry({ ...(id !== undefined && { id }), signal }) } };
  },
});

const drop = route({
  method: "POST",
  path: "/v1/replica/dead-letters/drop",
  operationId: "dropReplicaDeadLetters",
  summary: "Forget memories that the replica refused: it does without them. Endings are kept",
  access: OPERATOR,
  body: oneOrAll,
  responses: {
    200: {
      description: "How many were dropped, and how many are kept since they are endings",
      schema: lazily(() => z.strictObject({ dropped: z.number().int(), kept: z.number().int() })),
    },
    404: { description: "There is no such dead letter" },
    ...none,
  },
  async handle({ body: { id }, signal }, { sync }) {
    return { status: 200, body: await sync.replica.drop({ ...(id !== undefined && { id }), signal }) };
  },
});

const verify = route({
  method: "POST",
  path: "/v1/replica/verify",
  operationId: "verifyReplica",
  summary: "Compare the replica with the primary, and name what differs; with `repair` it is sent again",
  access: OPERATOR,
  body: () =>
    z.strictObject({
      repair: z.boolean().default(false),
      deep: z.boolean().default(false).describe("Also check the replica's contents against their checksums"),
    }),
  responses: {
    200: { description: "What was found", schema: verificationSchema },
    ...none,
    503: { description: "One of the two is away, or the replica does not catch up: nothing is claimed" },
  },
  async handle({ body, signal }, { sync }) {
    return { status: 200, body: verificationDocument(await sync.replica.verify({ ...body, signal })) };
  },
});

export const replicaGroup: RouteGroup = {
  tag: "replica",
  description: "The replica: a second database that is written from the change feed",
  routes: [status, pause, resume, backfill, listLetters, retry, drop, verify],
};
