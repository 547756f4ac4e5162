import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import type { Memory } from "../domain/memory.ts";
import type { ListedMemory, MemoryCount, MemoryPage } from "../read/list-options.ts";
import type { ReadSources } from "../read/read-sources.ts";
import { count, iso } from "./fields.ts";
import { memoryDocument, memorySchema } from "./memory-documents.ts";
import { sourcesField, sourcesSchema } from "./source-documents.ts";

/** Lists and counts of memories, as HTTP and `--json` show them. */

const nextCursor = lazily(() =>
  z.string().nullable().describe("Where the next page begins; null at the end, and only there"),
);

export const pageSchema = lazily(() =>
  z
    .strictObject({
      memories: z.array(memorySchema()).describe("In the order that was asked for"),
      cursor: nextCursor(),
      sources: sourcesSchema().optional(),
    })
    .meta({ id: "MemoryPage" }),
);

export function pageDocument({ memories, cursor, sources }: MemoryPage): object {
  return { memories: memories.map(listedDocument), cursor, ...sourcesField(sources) };
}

function listedDocument({ createdAt, modifiedAt, embedding, ...memory }: ListedMemory): object {
  const numbers = embedding === null ? null : embedding && Array.from(embedding);
  return {
    ...memory,
    createdAt: iso(createdAt),
    modifiedAt: iso(modifiedAt),
    ...(numbers !== undefined && { embedding: numbers }),
  };
}

export const manySchema = lazily(() =>
  z
    .strictObject({
      memories: z.array(memorySchema().nullable()).describe("In the order of the ids; null: there is none"),
      sources: sourcesSchema().optional(),
    })
    .meta({ id: "Memories" }),
);

export function manyDocument(
  memories: readonly (Memory | null)[],
  withEmbedding: boolean,
  sources?: ReadSources,
): object {
  return {
    memories: memories.map((memory) => (memory === null ? null : memoryDocument(memory, withEmbedding))),
    ...sourcesField(sources),
  };
}

export const countSchema = lazily(() =>
  z
    .strictObject({
      count: count(),
      estimate: z
        .boolean()
        .describe(
          "Whether it is the guess of PostgreSQL's planner, or a bound from below, since the replica's share was not counted to its end",
        ),
      sources: sourcesSchema().optional(),
    })
    .meta({ id: "MemoryCount" }),
);

export function countDocument({
  count: counted,
  estimate,
  sources,
}: MemoryCount): z.output<ReturnType<typeof countSchema>> {
  return { count: counted, estimate, ...sourcesField(sources) };
}

export const namespacesSchema = lazily(() =>
  z
    .strictObject({ namespaces: z.array(z.string()).describe("In the order of their bytes"), cursor: nextCursor() })
    .meta({ id: "Namespaces" }),
);
