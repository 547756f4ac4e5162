import { outcomeSchema } from "../../documents/memory-documents.ts";
import { embeddingChoice, patchFields } from "../../documents/patch-request.ts";
import { publicOutcome } from "../../documents/public-messages.ts";
import { memoryIdText } from "../../documents/request-fields.ts";
import type { MemoryPatch } from "../../index.ts";
import { tool } from "../tool.ts";
import { writeFields, writeOptions } from "./write-fields.ts";

export const update = tool({
  name: "update",
  title: "Update a memory",
  description: "Changes the named fields of a memory; the others stay. The former version stays in its history.",
  right: "write",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
  fields: () => ({
    memoryId: memoryIdText(),
    ...patchFields(),
    embeddingChoice: embeddingChoice(),
    ...writeFields(),
  }),
  output: outcomeSchema,
  async run({ sync, args, namespace, caller, signal }) {
    const { memoryId, embeddingChoice: embedding, expectedVersion, idempotencyKey, ...changes } = args;
    const conditions = writeOptions({ expectedVersion, idempotencyKey }, caller);
    const options = { namespace, embedding, ...conditions, signal };
    return publicOutcome(await sync.patch(memoryId, changes as MemoryPatch, options));
  },
});

export const forget = tool({
  name: "forget",
  title: "Forget a memory",
  description:
    "Deletes a memory: no recall, get or list shows it any more. Its history keeps the earlier versions; status unchanged: there was none.",
  right: "write",
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  fields: () => ({ memoryId: memoryIdText(), ...writeFields() }),
  output: outcomeSchema,
  async run({ sync, args, namespace, caller, signal }) {
    const { memoryId, ...conditions } = args;
    const options = { namespace, ...writeOptions(conditions, caller), signal };
    return publicOutcome(await sync.delete(memoryId, options));
  },
});
