import * as z from "zod";
import { COPY_STATES, type MemoryCopies, type MemoryCopy } from "../consistency/copies/memory-copy.ts";
import { lazily } from "../domain/lazily.ts";
import { differencesField, driftKind, sideDocument, sideSchema } from "./consistency-documents.ts";
import { errorFields, memoryKey, storeId } from "./fields.ts";
import { publicMessage } from "./public-messages.ts";

/** What each store holds of a memory, as HTTP and `--json` show it. */

const copySchema = lazily(() =>
  z
    .strictObject({
      store: storeId(),
      scope: z.enum(["shared", "node"]).describe("node: the copy of the node that was asked; others have their own"),
      holds: z.array(z.enum(["documents", "vectors"])).describe("Without documents its copies have no content"),
      state: z
        .enum(COPY_STATES)
        .describe("tombstone: the memory's end, of which nothing is shown; malformed: no entry; unanswered: see error"),
      drift: z
        .strictObject({ kind: driftKind(), evidence: z.string() })
        .nullable()
        .describe(
          "How it differs from the ledger; of postgres, damage. It may be a write on its way: a check proves it",
        ),
      note: z.string().nullable().describe("Why there is no content, or why it cannot win over the ledger's"),
      ...sideSchema().shape,
      differences: differencesField(),
      error: errorFields().optional().describe("Why the store gave no answer"),
    })
    .meta({ id: "MemoryCopy" }),
);

export const copiesSchema = lazily(() =>
  z
    .strictObject({
      ...memoryKey(),
      copies: z.array(copySchema()).describe("postgres (the ledger) first, then the stores of the node that was asked"),
    })
    .meta({ id: "MemoryCopies" }),
);

export interface CopiesShown {
  /** Whether the numbers of vectors are. @default false */
  readonly withEmbedding?: boolean;
  /** Whether the reader may know where the stores are: messages of drivers name hosts and users. */
  readonly isOperator: boolean;
}

export function copiesDocument({ namespace, memoryId, copies }: MemoryCopies, shown: CopiesShown): object {
  return { namespace, memoryId, copies: copies.map((copy) => copyDocument(copy, shown)) };
}

function copyDocument(copy: MemoryCopy, { withEmbedding = false, isOperator }: CopiesShown): object {
  const { store, scope, holds, state, drift, note, differences, error, ...side } = copy;
  return {
    ...{ store, scope, holds, state, drift, note },
    ...sideDocument(side, withEmbedding),
    differences,
    ...(error !== null && {
      error: { code: error.code, message: isOperator ? error.message : publicMessage(error) },
    }),
  };
}
