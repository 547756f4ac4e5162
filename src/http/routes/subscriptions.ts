import * as z from "zod";
import {
  deadLettersDocument,
  deadLettersSchema,
  droppedSchema,
  replayedSchema,
  subscriptionSchema,
  subscriptionsDocument,
  subscriptionsSchema,
  subscriptionWithSecretSchema,
  testDeliverySchema,
} from "../../documents/subscription-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import { FEED_READINGS } from "../../feed/feed-filter.ts";
import type { Filter, SubscriptionInput } from "../../index.ts";
import { CHANGE_TOPIC, TOPICS } from "../../webhooks/topics.ts";
import { type Identity, isOperator } from "../keys.ts";
import { NAMESPACES_MAX, namespacesOf } from "../namespaces-of.ts";
import { HttpProblem } from "../problem.ts";
import { count, list, namespaceName, storable, ulidText } from "../requests.ts";
import { type Access, type RouteGroup, route, type SchemaOf } from "../route.ts";
import { keyOwner } from "../subscription-owners.ts";

const WRITE: Access = { scope: "write" };
const DAY_30_MS = 30 * 86_400_000;

const params = lazily(() => z.object({ subscriptionId: ulidText() }));
const from = lazily(() =>
  z.enum(["start", "now"]).optional().describe("Of changes: from everything that there is, or from what comes"),
);
const secret = lazily(() =>
  storable(128).optional().describe("whsec_ and 24 to 64 bytes in base64; by default a new one"),
);
const fields = lazily(() => ({
  url: storable(2_048).describe("Where messages are sent: an https address"),
  topics: list(z.enum(TOPICS as [string, ...string[]]), TOPICS.length)
    .optional()
    .describe("change (the default) is for any key; the others need an admin key of all namespaces"),
  namespaces: list(namespaceName(), NAMESPACES_MAX).optional().describe("By default all that the key may see"),
  where: z
    .unknown()
    .optional()
    .meta({ type: "object", additionalProperties: true })
    .describe("A filter of memories: docs/library.md has the language"),
  reading: z
    .enum(FEED_READINGS)
    .optional()
    .describe("changes (the default): of each memory the latest versions; versions: each one, in order"),
  embeddings: z.boolean().optional().describe("Whether messages include the vectors"),
  description: z.string().max(500).optional(),
}));
const notFound = { description: "There is none, or it is not the key's to see" };

/** What a caller sets, within its rights. @throws {HttpProblem} 403, 422. */
function inputOf(
  { topics = [CHANGE_TOPIC], namespaces, where, ...rest }: z.output<z.ZodObject<ReturnType<typeof fields>>>,
  identity: Identity,
): SubscriptionInput {
  if (topics.some((topic) => topic !== CHANGE_TOPIC) && !isOperator(identity)) {
    const detail = `only an admin key of all namespaces may subscribe to another topic than ${CHANGE_TOPIC}`;
    throw new HttpProblem(403, "FORBIDDEN", detail);
  }
  const own = topics.includes(CHANGE_TOPIC) ? namespacesOf(identity, namespaces, "namespaces") : (namespaces ?? null);
  return { ...rest, topics, namespaces: own ?? undefined, where: where as Filter | undefined };
}

/** A key knows subscriptions for its own namespaces alone, and an operator's ones only where it is one. */
function callOf(
  identity: Identity,
  signal: AbortSignal,
): { among?: readonly string[]; onlyChanges: boolean; signal: AbortSignal } {
  const onlyChanges = !isOperator(identity);
  return { onlyChanges, signal, ...(identity.namespaces !== null && { among: [...identity.namespaces] }) };
}

const create = route({
  method: "POST",
  path: "/v1/subscriptions",
  operationId: "createSubscription",
  summary: "Have a receiver told of changes, or of what happens to the service, by signed calls",
  access: WRITE,
  body: () => z.strictObject({ ...fields(), secret: secret(), from: from() }).meta({ id: "NewSubscription" }),
  responses: {
    201: {
      description: "Made; the answer has its secret",
      schema: subscriptionWithSecretSchema,
      headers: { Location: "It" },
    },
  },
  async handle({ body, identity, signal }, { sync }) {
    const { secret: given, from: start, ...input } = body;
    const made = await sync.subscriptions.create(inputOf(input, identity), {
      owner: keyOwner(identity.owner),
      secret: given,
      from: start,
      signal,
    });
    return { status: 201, headers: { location: `/v1/subscriptions/${made.id}` }, body: made };
  },
});

const listAll = route({
  method: "GET",
  path: "/v1/subscriptions",
  operationId: "listSubscriptions",
  summary: "Subscriptions for the namespaces of the key, in the order of their creation",
  access: WRITE,
  query: () => z.object({ limit: count(1, 100, 100), after: ulidText().optional() }),
  responses: { 200: { description: "A page", schema: subscriptionsSchema } },
  async handle({ query, identity, signal }, { sync }) {
    const found = await sync.subscriptions.list({ ...query, ...callOf(identity, signal) });
    return { status: 200, body: subscriptionsDocument(found, query.limit) };
  },
});

const read = route({
  method: "GET",
  path: "/v1/subscriptions/{subscriptionId}",
  operationId: "getSubscription",
  summary: "A subscription and how its deliveries go",
  access: WRITE,
  params,
  responses: { 200: { description: "The subscription", schema: subscriptionSchema }, 404: notFound },
  async handle({ params: { subscriptionId }, identity, signal }, { sync }) {
    return { status: 200, body: await sync.subscriptions.get(subscriptionId, callOf(identity, signal)) };
  },
});

const replace = route({
  method: "PUT",
  path: "/v1/subscriptions/{subscriptionId}",
  operationId: "replaceSubscription",
  summary: "Replace what a caller sets; the secret, the state and the place in the feed stay",
  access: WRITE,
  params,
  body: () =>
    z
      .strictObject({
        ...fields(),
        from: from().describe("Required with other namespaces, another filter or another reading than before"),
      })
      .meta({ id: "SubscriptionFields" }),
  responses: { 200: { description: "Replaced", schema: subscriptionSchema }, 404: notFound },
  async handle({ params: { subscriptionId }, body, identity, signal }, { sync }) {
    const { from: start, ...input } = body;
    const call = { from: start, ...callOf(identity, signal) };
    return { status: 200, body: await sync.subscriptions.replace(subscriptionId, inputOf(input, identity), call) };
  },
});

const remove = route({
  method: "DELETE",
  path: "/v1/subscriptions/{subscriptionId}",
  operationId: "deleteSubscription",
  summary: "Delete a subscription with what waits for it",
  access: WRITE,
  params,
  responses: { 204: { description: "Deleted" }, 404: notFound },
  async handle({ params: { subscriptionId }, identity, signal }, { sync }) {
    await sync.subscriptions.delete(subscriptionId, callOf(identity, signal));
    return { status: 204 };
  },
});

/** An order concerning one subscription. */
function order<Body extends z.ZodType, Answer>(declaration: {
  readonly verb: string;
  readonly operationId: string;
  readonly summary: string;
  readonly body: SchemaOf<Body>;
  readonly answer: { description: string; schema: SchemaOf };
  readonly act: (
    subscriptions: Parameters<Parameters<typeof route>[0]["handle"]>[1]["sync"]["subscriptions"],
    id: string,
    body: z.output<Body>,
    call: ReturnType<typeof callOf>,
  ) => Promise<Answer>;
}) {
  const { verb, operationId, summary, body, answer, act } = declaration;
  return route({
    method: "POST",
    path: `/v1/subscriptions/{subscriptionId}/${verb}`,
    operationId,
    summary,
    access: WRITE,
    params,
    body,
    responses: { 200: answer, 404: notFound },
    async handle(request, { sync }) {
      const { identity, signal } = request;
      const { subscriptionId } = request.params as z.output<ReturnType<typeof params>>;
      const call = callOf(identity, signal);
      const given = request.body as z.output<Body>;
      return { status: 200, body: await act(sync.subscriptions, subscriptionId, given, call) };
    },
  });
}

const nothing = lazily(() => z.strictObject({}).default({}));
const ids = lazily(() =>
  z
    .strictObject({ ids: list(storable(64), 1_000).optional().describe("By default all") })
    .default({})
    .meta({ id: "DeadLetterIds" }),
);

const orders = [
  order({
    verb: "pause",
    operationId: "pauseSubscription",
    summary: "Send nothing until it is resumed; changes stay in the ledger",
    body: nothing,
    answer: { description: "Paused", schema: subscriptionSchema },
    act: (subscriptions, id, _body, call) => subscriptions.pause(id, call),
  }),
  order({
    verb: "resume",
    operationId: "resumeSubscription",
    summary: "Go on with what waits, at once",
    body: () => z.strictObject({ from: from() }).default({}).meta({ id: "ResumeSubscription" }),
    answer: { description: "Active", schema: subscriptionSchema },
    act: (subscriptions, id, body, call) => subscriptions.resume(id, { ...body, ...call }),
  }),
  order({
    verb: "rotate-secret",
    operationId: "rotateSubscriptionSecret",
    summary: "Give it a new secret; the old one signs too for a while",
    body: () =>
      z
        .strictObject({
          secret: secret(),
          overlapMs: z.number().int().min(0).max(DAY_30_MS).optional().describe("Milliseconds; one day by default"),
        })
        .default({})
        .meta({ id: "RotateSecret" }),
    answer: { description: "With the new secret", schema: subscriptionWithSecretSchema },
    act: (subscriptions, id, body, call) => subscriptions.rotateSecret(id, { ...body, ...call }),
  }),
  order({
    verb: "test",
    operationId: "testSubscription",
    summary: "Send webhook.test, once and now, also while it is paused",
    body: nothing,
    answer: { description: "What came of it", schema: testDeliverySchema },
    act: (subscriptions, id, _body, call) => subscriptions.test(id, call),
  }),
  order({
    verb: "dead-letters/replay",
    operationId: "replayDeadLetters",
    summary: "Make dead letters due again. A change is sent if it is still the memory's last one",
    body: ids,
    answer: { description: "How many", schema: replayedSchema },
    act: async (subscriptions, id, body, call) => ({ replayed: await subscriptions.replay(id, { ...body, ...call }) }),
  }),
  order({
    verb: "dead-letters/drop",
    operationId: "dropSubscriptionDeadLetters",
    summary: "Forget dead letters",
    body: ids,
    answer: { description: "How many", schema: droppedSchema },
    act: async (subscriptions, id, body, call) => ({ dropped: await subscriptions.drop(id, { ...body, ...call }) }),
  }),
];

const deadLetters = route({
  method: "GET",
  path: "/v1/subscriptions/{subscriptionId}/dead-letters",
  operationId: "listSubscriptionDeadLetters",
  summary: "Messages that were given up, the oldest first",
  access: WRITE,
  params,
  query: () => z.object({ limit: count(1, 1_000, 100) }),
  responses: { 200: { description: "Dead letters", schema: deadLettersSchema }, 404: notFound },
  async handle({ params: { subscriptionId }, query, identity, signal }, { sync }) {
    const call = { ...query, ...callOf(identity, signal) };
    return { status: 200, body: deadLettersDocument(await sync.subscriptions.deadLetters(subscriptionId, call)) };
  },
});

export const subscriptionGroup: RouteGroup = {
  tag: "subscriptions",
  description: "Webhooks: signed calls that tell receivers of changes and events",
  routes: [create, listAll, read, replace, remove, ...orders, deadLetters],
};
