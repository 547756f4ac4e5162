import { createHash } from "node:crypto";
import * as z from "zod";
import { outcomeSchema, outcomesSchema } from "../../documents/memory-documents.ts";
import { publicOutcome, publicOutcomes } from "../../documents/public-messages.ts";
import { list, memoryFields, memoryIdText } from "../../documents/request-fields.ts";
import { lazily } from "../../domain/lazily.ts";
import type { MemoryFields, MemoryInput } from "../../index.ts";
import { newUlid } from "../../runtime/ulid.ts";
import type { Caller } from "../caller.ts";
import { tool } from "../tool.ts";
import { keyField, writeFields, writeOptions } from "./write-fields.ts";

/** Memories of one call, at most. HTTP takes more: its batch is checked over several turns of the event loop. */
const MANY_MAX = 1_000;

/** A version more: what stood there before stays in the history. */
const ADDS = { readOnlyHint: false, destructiveHint: false, idempotentHint: false } as const;

const fields = lazily(() => ({
  memoryId: memoryIdText()
    .optional()
    .describe("1 to 512 bytes; an id that is taken is written anew, as a whole. By default a new one is made"),
  ...memoryFields(),
  memoryType: memoryFields()
    .memoryType.default("semantic")
    .describe("What kind of memory it is, e.g. episodic, semantic, procedural"),
}));

/** An id for a memory that came without one. A repeat under an idempotency key must be the same write, so there the key decides. */
function madeId(idempotencyKey: string | undefined, { owner = "" }: Caller, index: number): string {
  if (idempotencyKey === undefined) return newUlid();
  const hash = createHash("sha256").update(`${owner}\0${idempotencyKey}\0${index}`);
  return hash.digest("base64url").slice(0, 26);
}

export const remember = tool({
  name: "remember",
  title: "Remember",
  description:
    "Keeps one memory: a text with type, importance and your own metadata. The answer has its memoryId and version. " +
    "To change some fields of a memory that exists, use update.",
  right: "write",
  annotations: ADDS,
  fields: () => ({ ...fields(), ...writeFields() }),
  output: outcomeSchema,
  async run({ sync, args, namespace, caller, signal }) {
    const { expectedVersion, idempotencyKey, memoryId = madeId(idempotencyKey, caller, 0), ...memory } = args;
    const options = writeOptions({ expectedVersion, idempotencyKey }, caller);
    const outcome = await sync.syncMemory(memoryId, { ...memory, namespace } as MemoryFields, { ...options, signal });
    return publicOutcome(outcome);
  },
});

export const rememberMany = tool({
  name: "remember_many",
  title: "Remember many",
  description:
    "Keeps up to 1,000 memories. The answer has one outcome per memory, in order: a faulty one does not stop the others, " +
    "unless atomic is set.",
  right: "write",
  annotations: ADDS,
  fields: () => ({
    memories: list(z.strictObject(fields()), MANY_MAX),
    atomic: z.boolean().default(false).describe("All memories or none"),
    ...keyField(),
  }),
  output: outcomesSchema,
  async run({ sync, args, namespace, caller, signal, onProgress }) {
    const { memories, atomic, idempotencyKey } = args;
    const inputs = memories.map(({ memoryId, ...memory }, index) => ({
      ...memory,
      memoryId: memoryId ?? madeId(idempotencyKey, caller, index),
      namespace,
    }));
    const outcomes = await sync.syncBatch(inputs as MemoryInput[], {
      atomic,
      ...writeOptions({ idempotencyKey }, caller),
      signal,
      onProgress: ({ done }) => onProgress(done, inputs.length, `${done} of ${inputs.length} memories`),
    });
    return publicOutcomes(outcomes);
  },
});
