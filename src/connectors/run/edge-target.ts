import { MnemosyncError } from "../../domain/errors.ts";
import { type JsonObject, sameJson } from "../../domain/json.ts";
import type { MemoryFields } from "../../domain/memory-input.ts";
import type { SourceItem } from "./source.ts";
import type { ItemOutcome, Target } from "./target.ts";

/** What a target needs of an edge. */
export interface MemoryFile {
  get(
    memoryId: string,
    options: { readonly namespace?: string },
  ): Promise<{
    readonly content: string;
    readonly memoryType: string;
    readonly importance: number;
    readonly metadata: JsonObject;
    readonly withheld: boolean;
  } | null>;
  put(
    memoryId: string,
    memory: Omit<MemoryFields, "namespace">,
    options: { readonly namespace?: string },
  ): Promise<void>;
  delete(memoryId: string, options: { readonly namespace?: string }): Promise<boolean>;
}

/** An agent's SQLite file: the memories go to its hub with the edge's own sync. */
export class EdgeTarget implements Target {
  readonly #edge: MemoryFile;
  readonly #options: { readonly namespace?: string };

  /** @param namespace one of the edge's. @default "default" */
  constructor(edge: MemoryFile, namespace?: string) {
    this.#edge = edge;
    this.#options = namespace === undefined ? {} : { namespace };
  }

  async write(items: readonly SourceItem[], signal: AbortSignal): Promise<ItemOutcome[]> {
    const outcomes: ItemOutcome[] = [];
    for (const item of items) {
      signal.throwIfAborted();
      outcomes.push(await this.#write(item));
    }
    return outcomes;
  }

  async delete(memoryIds: readonly string[], signal: AbortSignal): Promise<void> {
    for (const memoryId of memoryIds) {
      signal.throwIfAborted();
      await this.#edge.delete(memoryId, this.#options);
    }
  }

  async #write({ memoryId, fields }: SourceItem): Promise<ItemOutcome> {
    const { namespace: _, ...memory } = fields;
    const held = await this.#edge.get(memoryId, this.#options);
    if (held !== null && isSame(held, memory)) return { outcome: "unchanged" };
    try {
      await this.#edge.put(memoryId, memory, this.#options);
    } catch (error) {
      if (!(error instanceof MnemosyncError) || error.retryable) throw error;
      if (error.code === "ERASED") return { outcome: "erased" };
      if (error.code !== "VALIDATION" && error.code !== "SYNC_PAYLOAD") throw error;
      return { outcome: "refused", code: error.code, message: error.message };
    }
    return { outcome: held === null ? "created" : "updated" };
  }
}

/** A file takes every put for an edit, so what a run that died has stored already must not be put again. */
function isSame(
  held: NonNullable<Awaited<ReturnType<MemoryFile["get"]>>>,
  { content, memoryType, importance, metadata = {} }: Omit<MemoryFields, "namespace">,
): boolean {
  return (
    !held.withheld &&
    held.content === content &&
    held.memoryType === memoryType &&
    (importance === undefined || held.importance === importance) &&
    sameJson(held.metadata, metadata as JsonObject)
  );
}
