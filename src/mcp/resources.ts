import type { ListResourcesResult, ReadResourceResult } from "@modelcontextprotocol/sdk/types.js";
import { memoryDocument } from "../documents/memory-documents.ts";
import { type MemoryKey, type MemorySynchronizer, ValidationError } from "../index.ts";
import type { Caller } from "./caller.ts";
import { keyOfUri, MEMORY_URI_TEMPLATE, uriOf } from "./memory-uri.ts";
import { ToldSources } from "./told-sources.ts";
import { foreign } from "./tool-calls.ts";

/** Memories of one page of the list. */
const PAGE_SIZE = 100;
/** Characters of the content that the list shows. */
const EXCERPT_LENGTH = 120;

const MIME_TYPE = "application/json";

export const MEMORY_TEMPLATE = {
  uriTemplate: MEMORY_URI_TEMPLATE,
  name: "memory",
  title: "A memory",
  description: "The current version of a memory: its content, type, importance, metadata and version.",
  mimeType: MIME_TYPE,
} as const;

/** Memories as resources. */
export class Resources {
  readonly #sync: MemorySynchronizer;
  readonly #namespace: string | null;

  /** @param namespace null: all that the caller may touch. */
  constructor(sync: MemorySynchronizer, namespace: string | null) {
    this.#sync = sync;
    this.#namespace = namespace;
  }

  /** A page of the connection's memories, by id. Where it serves several namespaces, none: the template names them. */
  async list(cursor: string | undefined, { onBytes }: Caller, signal: AbortSignal): Promise<ListResourcesResult> {
    const namespace = this.#namespace;
    if (namespace === null) return { resources: [] };
    const page = await this.#sync.list({ namespace, limit: PAGE_SIZE, cursor, signal, onBytes });
    return {
      resources: page.memories.map(({ memoryId, memoryType, content, modifiedAt }) => ({
        uri: uriOf({ namespace, memoryId }),
        name: memoryId,
        description: `${memoryType}: ${excerpt(content)}`,
        mimeType: MIME_TYPE,
        annotations: { lastModified: new Date(modifiedAt).toISOString() },
      })),
      ...(page.cursor !== null && { nextCursor: page.cursor }),
    };
  }

  /** @throws {Refusal} There is none. */
  async read(uri: string, caller: Caller, signal: AbortSignal): Promise<ReadResourceResult> {
    const { namespace, memoryId } = this.keyOf(uri, caller);
    const told = new ToldSources();
    const options = { namespace, signal, onBytes: caller.onBytes, onSources: told.tell };
    const memory = await this.#sync.get(memoryId, options);
    if (memory === null) throw told.notFound(memoryId, namespace);
    const text = JSON.stringify(memoryDocument(memory, false, told.sources));
    return { contents: [{ uri, mimeType: MIME_TYPE, text }] };
  }

  /** The memory that a URI names. @throws {ValidationError} It names none. @throws {Refusal} It is of another namespace. */
  keyOf(uri: string, caller: Caller): MemoryKey {
    const key = keyOfUri(uri);
    if (key === null) throw new ValidationError("uri", `expected ${MEMORY_URI_TEMPLATE}, the id percent-encoded`);
    const isOwn =
      this.#namespace === null ? caller.mayTouch?.(key.namespace) !== false : key.namespace === this.#namespace;
    if (!isOwn) throw foreign(key.namespace);
    return key;
  }
}

function excerpt(content: string): string {
  const line = content
    .slice(0, EXCERPT_LENGTH * 2)
    .replaceAll(/\s+/g, " ")
    .trim();
  return line.length > EXCERPT_LENGTH ? `${line.slice(0, EXCERPT_LENGTH)}…` : line;
}
