import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import type { ErasePreview } from "../erase/options.ts";
import type { Erasure } from "../erase/receipt.ts";
import type { SuppressedMemory, SuppressedPage } from "../erase/suppressed.ts";
import { count, instant, iso, isoOrNull } from "./fields.ts";

/** Erasures, as HTTP and `--json` show them. */

const kind = lazily(() => z.enum(["memory", "namespace", "filter"]));

const ledgerProof = lazily(() =>
  z
    .strictObject({
      bodies: count(),
      unmoved: count(),
      unsuppressed: count(),
      conflicts: count(),
      findings: count(),
      queue: count(),
      transactions: count(),
      connectors: count()
        .optional()
        .describe(
          "Dead letters of connectors, and services' reasons; absent in receipts from before they were looked for",
        ),
    })
    .describe("Rows with content of these memories that the ledger was found to hold, by what they are: all zero"),
);

export const erasureSchema = lazily(() =>
  z
    .strictObject({
      erasureId: z.string(),
      kind: kind(),
      namespace: z.string(),
      memoryId: z.string().nullable().describe("Of kind memory"),
      state: z
        .enum(["erasing", "awaiting_stores", "complete"])
        .describe("awaiting_stores: the ledger holds nothing, and a store has not confirmed yet"),
      memories: count().describe("Memories that it covers"),
      erased: count().describe("Those of them whose content has left the ledger"),
      actor: z.string().nullable(),
      reason: z.string().nullable(),
      nodeId: z.string().describe("The node that took the request"),
      requestedAt: instant(),
      scrubbedAt: instant().nullable().describe("When the ledger was found to hold nothing of them"),
      completedAt: instant().nullable().describe("When the last store confirmed"),
      ledger: ledgerProof().nullable(),
      stores: z
        .array(
          z.strictObject({
            store: z.string(),
            nodeId: z.string().nullable().describe("Null for a store that all nodes share"),
            confirmedAt: instant(),
            memories: count().describe("Memories that the store was asked for"),
            removed: count().describe("Those of them that it still held, and that were removed then"),
          }),
        )
        .describe("Stores that hold nothing of them, on their disks included"),
      awaiting: z.array(z.strictObject({ store: z.string(), nodeId: z.string().nullable() })),
    })
    .meta({ id: "Erasure", description: "The receipt of an erasure: it holds ids, and no content" }),
);

export const erasuresSchema = lazily(() =>
  z.strictObject({ erasures: z.array(erasureSchema()).describe("Newest first") }),
);

export const erasePreviewSchema = lazily(() =>
  z
    .strictObject({
      dryRun: z.literal(true),
      kind: kind(),
      namespace: z.string(),
      memories: count().describe("Memories that would be erased, with their history"),
      memoryIds: z.array(z.string()).describe("The first 100 of their ids, in order"),
    })
    .meta({ id: "ErasePreview" }),
);

const suppressedMemory = lazily(() =>
  z.strictObject({
    namespace: z.string(),
    memoryId: z.string(),
    erasureId: z.string().describe("The latest erasure of it"),
    erasedAt: instant().nullable().describe("Null: its erasure has not reached it yet"),
  }),
);

export const suppressedSchema = lazily(() =>
  z
    .strictObject({
      memories: z.array(suppressedMemory()).describe("In the order of their ids"),
      cursor: z.string().nullable().describe("Where the next page begins; null at the end"),
    })
    .meta({ id: "Suppressed", description: "Erased memories whose ids are suppressed" }),
);

export function suppressedMemoryDocument(memory: SuppressedMemory): z.output<ReturnType<typeof suppressedMemory>> {
  return { ...memory, erasedAt: isoOrNull(memory.erasedAt) };
}

export function suppressedDocument({
  memories,
  cursor,
}: SuppressedPage): z.output<ReturnType<typeof suppressedSchema>> {
  return { memories: memories.map(suppressedMemoryDocument), cursor };
}

export function erasureDocument(erasure: Erasure): z.output<ReturnType<typeof erasureSchema>> {
  const { id, requestedAt, scrubbedAt, completedAt, stores, awaiting, ledger, ...rest } = erasure;
  return {
    erasureId: id,
    ...rest,
    requestedAt: iso(requestedAt),
    scrubbedAt: isoOrNull(scrubbedAt),
    completedAt: isoOrNull(completedAt),
    ledger,
    stores: stores.map((store) => ({ ...store, confirmedAt: iso(store.confirmedAt) })),
    awaiting: awaiting.map((store) => ({ ...store })),
  };
}

export function erasePreviewDocument(preview: ErasePreview): z.output<ReturnType<typeof erasePreviewSchema>> {
  return { dryRun: true, ...preview, memoryIds: [...preview.memoryIds] };
}
