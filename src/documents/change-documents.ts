import * as z from "zod";
import { ENDINGS } from "../domain/ending.ts";
import { lazily } from "../domain/lazily.ts";
import { changeJson } from "../feed/change-json.ts";
import type { ChangeEvent, ChangePage } from "../feed/change-options.ts";
import { instant, json, memoryKey, versionVector } from "./fields.ts";

/** Changes of memories, as HTTP and `--json` show them. */

const changedMemory = lazily(() =>
  z.strictObject({
    content: z.string().optional().describe("Absent where the memory is redacted"),
    memoryType: z.string(),
    importance: z.number(),
    metadata: json().optional().describe("Absent where the memory is redacted"),
    privacy: z.enum(["full", "redacted", "local_only"]),
    embeddingModel: z.string().optional(),
    expiresAt: instant().optional(),
    checksum: z.string().length(64).nullable().describe("Null where the memory is redacted"),
    embedding: z.array(z.number()).nullable().optional().describe("Only where the reader asked for it"),
  }),
);

export const changeSchema = lazily(() =>
  z
    .strictObject({
      kind: z
        .enum(["put", "deleted", "withdrawn"])
        .describe("withdrawn: the memory became local_only, or no longer passes the filter; the reader must forget it"),
      reason: z
        .enum(ENDINGS)
        .optional()
        .describe("Why it ended; absent of a put. erased: what a reader has kept of it must go too"),
      ...memoryKey(),
      version: z.number().int().positive(),
      modifiedAt: instant(),
      versionVector: versionVector(),
      transactionId: z.string(),
      cursor: z.string().describe("Behind this change: a reader goes on from here"),
      memory: changedMemory().optional().describe("Of a put"),
    })
    .meta({ id: "Change" }),
);

export const changePageSchema = lazily(() =>
  z
    .strictObject({
      changes: z.array(changeSchema()).describe("Oldest first"),
      cursor: z.string().describe("Where the next page begins. It may move although there is no change"),
      complete: z.boolean().describe("Whether there was nothing behind this page when it was read"),
    })
    .meta({ id: "ChangePage" }),
);

export function changeDocument(change: ChangeEvent, withEmbedding: boolean): z.output<ReturnType<typeof changeSchema>> {
  return changeJson(change, withEmbedding) as z.output<ReturnType<typeof changeSchema>>;
}

export function changePageDocument(
  page: ChangePage,
  withEmbedding: boolean,
): z.output<ReturnType<typeof changePageSchema>> {
  const { events, cursor, complete } = page;
  return { changes: events.map((event) => changeDocument(event, withEmbedding)), cursor, complete };
}
