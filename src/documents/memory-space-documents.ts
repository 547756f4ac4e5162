import * as z from "zod";
import type { RunRecord } from "../connectors/state/state.ts";
import { lazily } from "../domain/lazily.ts";
import { count, instant, iso, isoOrNull, json } from "./fields.ts";

/** What `mnemosync memory` prints: a Memory Space, its runs, and the memories that came from it. */

const spaceSchema = lazily(() =>
  z.strictObject({
    id: z.string(),
    url: z.string(),
    context: z.string(),
    namespace: z.string(),
    tags: z.array(z.string()).nullable().describe("Items with one of these are imported; null: all"),
    apiKey: z.string().nullable().describe("The variable that has the key; null: none is sent"),
    media: z.array(z.string()).describe("Files that are downloaded"),
  }),
);

export const addedSpaceSchema = lazily(() =>
  z.strictObject({ space: spaceSchema(), into: z.enum(["hub", "edge"]), replaced: z.boolean() }),
);

const runSchema = lazily(() =>
  z.strictObject({
    id: z.string().describe("ULID"),
    scope: z.enum(["changes", "full", "replay"]),
    status: z.enum(["running", "succeeded", "partial", "failed", "cancelled", "interrupted"]),
    time: instant().describe("When it began"),
    endedAt: instant().nullable(),
    available: count().describe("Items that the service gave"),
    synced: count().describe("Of them, those that were written here"),
    counts: z.record(z.string(), count()),
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  }),
);

export const spaceRunSchema = lazily(() =>
  z.strictObject({ run: runSchema(), dryRun: z.boolean().describe("True: the counts are what would be done") }),
);
export const spaceLogSchema = lazily(() => z.strictObject({ runs: z.array(runSchema()).describe("The newest first") }));

const listedSchema = lazily(() =>
  z.strictObject({ memoryId: z.string(), version: count(), content: z.string(), metadata: json() }),
);

export const spaceListSchema = lazily(() =>
  z.strictObject({
    memories: z.array(listedSchema()),
    cursor: z.string().nullable().describe("Where the next page begins; null at the end"),
  }),
);
export const spaceDeletedSchema = lazily(() =>
  z.strictObject({
    deleted: z.array(z.strictObject({ itemId: z.string(), memoryId: z.string() })),
    cursor: z.string().nullable().describe("Where the next page begins; null at the end"),
  }),
);
export const spaceViewSchema = lazily(() =>
  z.strictObject({
    from: instant(),
    to: instant(),
    timeZone: z.string().describe("Of the process: TZ"),
    memories: z.array(listedSchema()).describe("By their time at the service"),
    more: z.boolean().describe("Whether the span may have more memories than are shown"),
  }),
);
export const spacePingSchema = lazily(() =>
  z.strictObject({
    url: z.string(),
    context: z.string(),
    filters: z
      .enum(["dates", "since", "range"])
      .nullable()
      .describe("Null: the space is empty, so that nothing can be told"),
    milliseconds: count(),
  }),
);

export const spaceMediaSchema = lazily(() =>
  z.strictObject({
    memoryId: z.string(),
    namespace: z.string(),
    media: z.array(
      z.strictObject({
        kind: z.string(),
        contentType: z.string(),
        bytes: count(),
        sha256: z.string(),
        path: z.string().nullable().describe("The file; null: it is not here"),
      }),
    ),
  }),
);

/** A run in the operation log. */
export function spaceRunDocument(run: RunRecord): z.output<ReturnType<typeof runSchema>> {
  const { id, scope, state: status, startedAt, endedAt, counts, error } = run;
  const synced = counts.created + counts.updated;
  const times = { time: iso(startedAt), endedAt: isoOrNull(endedAt) };
  return { id, scope, status, ...times, available: counts.read, synced, counts: { ...counts }, error };
}
