import * as z from "zod";
import { connectorLettersDocument, connectorLettersSchema } from "../../documents/connector-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import { count, list, storable } from "../requests.ts";
import { OPERATOR, type Route, route } from "../route.ts";
import { busy, connectorParams, started, startedReply, unknown } from "./connector-parts.ts";

const LETTERS_MAX = 1_000;
const chosen = lazily(() =>
  z
    .strictObject({ ids: list(storable(700), LETTERS_MAX).optional().describe("Of dead letters; without it all") })
    .meta({ id: "ChosenDeadLetters" }),
);

const listLetters = route({
  method: "GET",
  path: "/v1/connectors/{connectorId}/dead-letters",
  operationId: "listConnectorDeadLetters",
  summary: "Items that could not be stored here, and memories that the other service could not process",
  access: OPERATOR,
  params: connectorParams,
  query: () => z.object({ limit: count(1, LETTERS_MAX, 100), cursor: storable(700).optional() }),
  responses: { 200: { description: "Dead letters", schema: connectorLettersSchema }, 404: unknown },
  async handle({ params, query, signal }, { sync }) {
    const page = await sync.connectors.deadLetters(params.connectorId, { ...query, signal });
    return { status: 200, body: connectorLettersDocument(page) };
  },
});

const replay = route({
  method: "POST",
  path: "/v1/connectors/{connectorId}/dead-letters/replay",
  operationId: "replayConnectorDeadLetters",
  summary: "Try dead letters again, by a run: some, or all",
  access: OPERATOR,
  params: connectorParams,
  body: () =>
    chosen()
      .extend({ dryRun: z.boolean().default(false).describe("Count what would be done, and do nothing: of a source") })
      .meta({ id: "ReplayedDeadLetters" }),
  responses: { ...started, 404: unknown, 409: busy },
  async handle({ params, body: { ids, dryRun }, signal }, { sync }) {
    return startedReply(await sync.connectors.replay(params.connectorId, { letters: ids, dryRun, signal }));
  },
});

const drop = route({
  method: "POST",
  path: "/v1/connectors/{connectorId}/dead-letters/drop",
  operationId: "dropConnectorDeadLetters",
  summary: "Forget dead letters: these items, or memories, are done without",
  access: OPERATOR,
  params: connectorParams,
  body: chosen,
  responses: {
    200: { description: "How many", schema: lazily(() => z.strictObject({ dropped: z.number().int() })) },
    404: unknown,
    409: busy,
  },
  async handle({ params, body: { ids }, signal }, { sync }) {
    return { status: 200, body: { dropped: await sync.connectors.drop(params.connectorId, { letters: ids, signal }) } };
  },
});

export const letterRoutes: readonly Route[] = [listLetters, replay, drop];
