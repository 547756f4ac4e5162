import * as z from "zod";
import type { LetterPage } from "../connectors/hosted/connector-letters.ts";
import type { DefinedConnector } from "../connectors/hosted/definitions.ts";
import type { ConnectorRun } from "../connectors/hosted/run-view.ts";
import { CONNECTOR_STATES, type ConnectorStatus } from "../connectors/hosted/status.ts";
import type { RunRecord } from "../connectors/state/state.ts";
import { lazily } from "../domain/lazily.ts";
import { count, errorFields, instant, iso, isoOrNull, json } from "./fields.ts";

/** Connectors and their runs, as HTTP and `--json` show them. */

/** Names the JSON Schema of a definition among those of `docs/schemas`. */
export const DEFINITION_SCHEMA = "connector-definition";

/** A definition as the API takes it. The library checks its parts: what names a variable is checked with its value. */
export const connectorInputSchema = lazily(() =>
  z.looseObject({ from: z.looseObject({ type: z.string() }) }).meta({
    id: "ConnectorDefinition",
    description: `from, to, schedule and so on: docs/schemas/${DEFINITION_SCHEMA}.schema.json`,
  }),
);

export const connectorSchema = lazily(() =>
  z
    .strictObject({
      id: z.string(),
      origin: z.enum(["settings", "api"]).describe("settings: of the settings file, and changed there only"),
      revision: count().describe("Grows with each replacement; 0 in the settings file"),
      definition: json().describe("As it was given; (hidden) stands for a secret that is set"),
      invalid: z.string().nullable().describe("Why it cannot be used on this node"),
    })
    .meta({ id: "Connector" }),
);

export function connectorDocument(connector: DefinedConnector): z.output<ReturnType<typeof connectorSchema>> {
  const { id, origin, revision, shown, invalid } = connector;
  return { id, origin, revision, definition: shown, invalid };
}

export const connectorsSchema = lazily(() =>
  z.strictObject({ connectors: z.array(connectorStatusSchema()).describe("By their ids") }).meta({ id: "Connectors" }),
);

export const connectorMediaSchema = lazily(() =>
  z.strictObject({
    connectorId: z.string(),
    sha256: z.string(),
    contentType: z.string().describe("As the service gave it"),
    bytes: count(),
    path: z.string().describe("The file, in the folder of this node"),
  }),
);

const countsSchema = lazily(() =>
  z
    .strictObject({
      read: count(),
      created: count(),
      updated: count(),
      unchanged: count(),
      deleted: count(),
      erased: count().describe("Items that were erased here: they are not imported"),
      failed: count().describe("Items in the dead letters, and entries that could not be read"),
      media: count().describe("Files of items that were fetched whole"),
      bytes: count().describe("Bytes of these files together"),
    })
    .meta({ id: "ConnectorCounts" }),
);

const halfSchema = lazily(() =>
  z.strictObject({
    state: z.enum(["running", "succeeded", "partial", "failed", "cancelled", "interrupted"]),
    counts: countsSchema(),
    startedAt: instant(),
    endedAt: instant().nullable(),
    error: errorFields().nullable(),
  }),
);

export const connectorRunSchema = lazily(() =>
  z
    .strictObject({
      id: z.string().describe("Also that of its job"),
      connectorId: z.string(),
      state: z
        .enum(["queued", "running", "succeeded", "partial", "failed", "cancelled", "interrupted"])
        .describe("partial: items went to the dead letters, or not everything was read"),
      scope: z.enum(["changes", "full", "replay"]),
      dryRun: z.boolean(),
      counts: countsSchema(),
      startedAt: instant().nullable(),
      endedAt: instant().nullable(),
      cursorBefore: cursorSchema(),
      cursorAfter: cursorSchema(),
      error: errorFields().nullable(),
      delivery: halfSchema().nullable().describe("Of a connector from one service to another: its second half"),
    })
    .meta({ id: "ConnectorRun" }),
);

export function connectorRunDocument(run: ConnectorRun): z.output<ReturnType<typeof connectorRunSchema>> {
  const { id, connectorId, state, scope, isDryRun, counts, error, delivery } = run;
  return {
    ...{ id, connectorId, state, scope, dryRun: isDryRun, counts, error },
    startedAt: isoOrNull(run.startedAt),
    endedAt: isoOrNull(run.endedAt),
    cursorBefore: cursorDocument(run.cursorBefore),
    cursorAfter: cursorDocument(run.cursorAfter),
    delivery: delivery === null ? null : halfDocument(delivery),
  };
}

function halfDocument({ state, counts, startedAt, endedAt, error }: RunRecord) {
  return { state, counts, startedAt: iso(startedAt), endedAt: isoOrNull(endedAt), error };
}

export const connectorRunsSchema = lazily(() =>
  z.strictObject({ runs: z.array(connectorRunSchema()).describe("The newest first") }).meta({ id: "ConnectorRuns" }),
);

export const connectorStatusSchema = lazily(() =>
  z
    .strictObject({
      id: z.string(),
      origin: z.enum(["settings", "api"]),
      direction: z.enum(["import", "deliver", "pipe"]).nullable().describe("Null: it is not valid"),
      state: z.enum(CONNECTOR_STATES),
      invalid: z.string().nullable(),
      pausedBecause: z.enum(["operator", "authentication"]).nullable(),
      nextRunAt: instant().nullable().describe("Null: it runs on demand"),
      lastSuccessAt: instant().nullable().describe("When a run last ended well, or in part"),
      lagSeconds: z.number().nullable().describe("Since then"),
      consecutiveFailures: count(),
      lastError: errorFields().nullable(),
      cursor: cursorSchema(),
      imported: count().nullable().describe("Items of the source that are memories here; null without a source"),
      records: z
        .strictObject({ queued: count(), sent: count(), delivered: count(), failed: count() })
        .nullable()
        .describe("Memories of the sink by the state of their texts; null without one"),
      deadLetters: count(),
      lastRun: connectorRunSchema().nullable(),
    })
    .meta({ id: "ConnectorStatus" }),
);

/** @param now milliseconds since 1970. */
export function connectorStatusDocument(
  status: ConnectorStatus,
  now = Date.now(),
): z.output<ReturnType<typeof connectorStatusSchema>> {
  const { succeededAt, nextRunAt, failures, cursor, lastRun, ...rest } = status;
  return {
    ...rest,
    nextRunAt: isoOrNull(nextRunAt),
    lastSuccessAt: isoOrNull(succeededAt),
    lagSeconds: succeededAt === null ? null : Math.max(0, (now - succeededAt) / 1_000),
    consecutiveFailures: failures,
    lastError: lastRun?.error ?? null,
    cursor: cursorDocument(cursor),
    lastRun: lastRun === null ? null : connectorRunDocument(lastRun),
  };
}

const letterSchema = lazily(() =>
  z
    .strictObject({
      id: z.string().describe("The item's, or <namespace>/<id> of the memory: replay and drop take it"),
      side: z.enum(["from", "to"]).describe("from: it could not be stored here; to: the service could not process it"),
      namespace: z.string(),
      memoryId: z.string(),
      code: z.string(),
      reason: z.string(),
      attempts: count().nullable(),
      at: instant().nullable(),
      payload: json().nullable().describe("The item's memory; null: the memory itself has it"),
    })
    .meta({ id: "ConnectorDeadLetter" }),
);

export const connectorLettersSchema = lazily(() =>
  z
    .strictObject({
      deadLetters: z.array(letterSchema()),
      cursor: z
        .string()
        .nullable()
        .describe(
          "Where the next page begins; null: these are the last. A page of large payloads is shorter than its limit",
        ),
    })
    .meta({ id: "ConnectorDeadLetters" }),
);

export function connectorLettersDocument({
  letters,
  cursor,
}: LetterPage): z.output<ReturnType<typeof connectorLettersSchema>> {
  return {
    deadLetters: letters.map(({ at, payload, ...letter }) => ({
      ...letter,
      at: isoOrNull(at),
      payload: payload === null ? null : (JSON.parse(payload) as Record<string, unknown>),
    })),
    cursor,
  };
}

export const connectorTestSchema = lazily(() => z.strictObject({ ok: z.literal(true) }).meta({ id: "ConnectorTest" }));

function cursorSchema() {
  return z
    .string()
    .nullable()
    .describe("Where it reads on: a time at a source, a place in the feed at a sink; null: at the start");
}

function cursorDocument(cursor: number | string | null): string | null {
  return typeof cursor === "number" ? iso(cursor) : cursor;
}
