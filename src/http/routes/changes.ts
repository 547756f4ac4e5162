import * as z from "zod";
import { changeDocument, changePageDocument, changePageSchema } from "../../documents/change-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import { FEED_READINGS } from "../../feed/feed-filter.ts";
import type { ChangeEvent } from "../../index.ts";
import { whileHeld } from "../held-request.ts";
import { NAMESPACES_MAX, namespacesOf } from "../namespaces-of.ts";
import { count, flag, namespaceName, namespaceParam, where } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";

/** Changes that a stream reads at a time: it holds them, 8 MiB at most, while its reader takes them. */
const PAGE_SIZE = 16;
const WAIT_MAX_MS = 30_000;
/** Milliseconds that reading a page may take beside the waiting. */
const READ_TIMEOUT_MS = 15_000;

const place = lazily(() => ({
  cursor: z.string().max(512).optional().describe("Where to go on. By default as `from` says"),
  from: z
    .enum(["start", "now"])
    .default("start")
    .describe("Without a cursor: all that there is and then what comes, or only what comes"),
  where: where().describe(
    "Only memories that pass this filter, as JSON; one that no longer does comes as `withdrawn`. Cursors are bound to it",
  ),
  reading: z
    .enum(FEED_READINGS)
    .default("changes")
    .describe("changes: each memory at its latest version. versions: each version, in order. Cursors are bound to it"),
  embedding: flag().describe("Whether to include the vectors"),
}));

const followChanges = route({
  method: "GET",
  path: "/v1/events",
  operationId: "followChanges",
  summary:
    "Changes of memories as server-sent events, as they are committed: `put`, `deleted` and `withdrawn`, each once and in order " +
    "per memory. The id of an event is a cursor. `closed` says why the service ends the stream. A reader that takes " +
    "nothing for http.streamStallTimeoutMs is cut off, and goes on from its last event",
  access: { scope: "read" },
  query: () =>
    z.object({
      ...place(),
      namespace: z
        .union([namespaceName(), z.array(namespaceName()).min(1).max(NAMESPACES_MAX)])
        .optional()
        .describe(
          "Only these namespaces; may be repeated. By default all that the key may see. Cursors are bound to it",
        ),
    }),
  requestHeaders: { "Last-Event-ID": "The id of the last event that the reader has; it goes before `cursor`" },
  responses: {
    200: { description: "Each event's data is a Change", schema: () => z.string(), mediaType: "text/event-stream" },
    410: { description: "The cursor is of another history of the database: begin without a cursor" },
  },
  async handle(request, service) {
    const { query, headers, identity, signal } = request;
    const { sync, streams } = service;
    const namespaces = namespacesOf(identity, query.namespace);
    const reading = {
      ...(namespaces !== null && { namespaces }),
      where: query.where,
      reading: query.reading,
      embeddings: query.embedding,
    };
    const lastEventId = headers["last-event-id"];
    const cursor = typeof lastEventId === "string" && lastEventId !== "" ? lastEventId : query.cursor;
    const held = streams.take(request);
    try {
      // The first page is read before the answer begins, so that a refusal has a status.
      const from = cursor === undefined ? { from: query.from } : { cursor };
      const { events, cursor: next } = await sync.readChanges({ ...reading, ...from, limit: PAGE_SIZE, signal });
      const first = [...events];
      return {
        status: 200,
        stream: (response) =>
          void held.run(response, { stream: "changes" }, async (stream) => {
            const send = (change: ChangeEvent): Promise<void> =>
              stream.send({ event: change.kind, id: change.cursor, data: changeDocument(change, query.embedding) });
            // Taken out one by one: the stream may last for days, and must not hold its first page.
            for (let change = first.shift(); change !== undefined; change = first.shift()) await send(change);
            stream.passed(next);
            const rest = sync.changes({
              ...reading,
              cursor: next,
              pageSize: PAGE_SIZE,
              onPosition: (position) => stream.passed(position),
              signal: stream.signal,
            });
            for await (const change of rest) await send(change);
          }),
      };
    } catch (error) {
      held.release();
      throw error;
    }
  },
});

const readChanges = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/changes",
  operationId: "readChanges",
  summary: "A page of changes of memories, as soon as there is one, for readers that ask again and again",
  access: { scope: "read" },
  params: namespaceParam,
  query: () =>
    z.object({
      ...place(),
      limit: count(1, 1_000, 100).describe("Changes at most; fewer where they are large"),
      waitMs: count(0, WAIT_MAX_MS, 0).describe("Milliseconds to wait for a first change"),
    }),
  responses: {
    200: { description: "The page", schema: changePageSchema },
    410: { description: "The cursor is of another history of the database: begin without a cursor" },
  },
  async handle(request, service) {
    const { params, query } = request;
    const { embedding: embeddings, where: filter, reading, from, cursor, limit, waitMs } = query;
    const page = await whileHeld(request, service, waitMs, (signal) =>
      service.sync.readChanges({
        ...(cursor === undefined ? { from } : { cursor }),
        namespaces: [params.namespace],
        ...{ where: filter, reading, embeddings, limit, waitMs, signal },
        timeoutMs: waitMs + READ_TIMEOUT_MS,
      }),
    );
    return { status: 200, body: changePageDocument(page, embeddings) };
  },
});

export const changeGroup: RouteGroup = {
  tag: "changes",
  description: "Follow what changes in the ledger",
  routes: [followChanges, readChanges],
};
