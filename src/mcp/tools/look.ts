import * as z from "zod";
import { pageDocument, pageSchema } from "../../documents/find-documents.ts";
import { memoryDocument, memorySchema, versionsDocument, versionsSchema } from "../../documents/memory-documents.ts";
import { memoryIdText } from "../../documents/request-fields.ts";
import type { Filter } from "../../index.ts";
import { LIST_ORDERS } from "../../read/list-options.ts";
import { ToldSources } from "../told-sources.ts";
import { tool } from "../tool.ts";

const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true } as const;

/** Memories and versions of one answer, at most: a model reads all of it. */
const PAGE_MAX = 200;

export const get = tool({
  name: "get",
  title: "Get a memory",
  description: "The current version of one memory, by its id.",
  right: "read",
  annotations: READS,
  fields: () => ({
    memoryId: memoryIdText(),
    embedding: z.boolean().default(false).describe("Whether to include the vector"),
  }),
  output: memorySchema,
  async run({ sync, args, namespace, caller, signal }) {
    const { memoryId, embedding } = args;
    const told = new ToldSources();
    const memory = await sync.get(memoryId, { namespace, signal, onBytes: caller.onBytes, onSources: told.tell });
    if (memory === null) throw told.notFound(memoryId, namespace);
    return memoryDocument(memory, embedding, told.sources);
  },
});

export const list = tool({
  name: "list",
  title: "List memories",
  description:
    "A page of memories, by id or as orderBy says. A page may be short, even empty: the end is a cursor that is null.",
  right: "read",
  annotations: READS,
  fields: () => ({
    where: z
      .unknown()
      .optional()
      .meta({ type: "object", additionalProperties: true })
      .describe('A filter, e.g. {"memoryType":{"eq":"episodic"}}'),
    orderBy: z.enum(LIST_ORDERS).optional(),
    limit: z.number().int().min(1).max(PAGE_MAX).default(20),
    cursor: z.string().max(16_384).optional().describe("The cursor of the page before, with the same arguments"),
  }),
  output: pageSchema,
  async run({ sync, args, namespace, caller, signal }) {
    const { where, ...options } = args;
    const filter = where === undefined ? {} : { where: where as Filter };
    return pageDocument(await sync.list({ namespace, ...options, ...filter, signal, onBytes: caller.onBytes }));
  },
});

export const history = tool({
  name: "history",
  title: "History of a memory",
  description: "The versions of a memory that are kept, newest first: what it said, when, and whether it was deleted.",
  right: "read",
  annotations: READS,
  fields: () => ({ memoryId: memoryIdText(), limit: z.number().int().min(1).max(PAGE_MAX).default(20) }),
  output: versionsSchema,
  async run({ sync, args, namespace, caller, signal }) {
    const { memoryId, limit } = args;
    const told = new ToldSources();
    const { onBytes } = caller;
    const versions = await sync.history(memoryId, { namespace, limit, signal, onBytes, onSources: told.tell });
    return versionsDocument(versions, told.sources);
  },
});
