import { MnemosyncError } from "../../domain/errors.ts";
import type { MemoryInput } from "../../domain/memory-input.ts";
import type { SourceItem } from "./source.ts";
import type { ItemOutcome, Target } from "./target.ts";

/** What a target needs of a synchronizer. */
export interface MemoryWriter {
  syncBatch(
    memories: readonly MemoryInput[],
    options: { readonly signal: AbortSignal },
  ): Promise<
    readonly {
      readonly status: "synced" | "degraded" | "unchanged" | "conflict" | "failed";
      readonly version: number;
      readonly error?: MnemosyncError;
    }[]
  >;
  delete(memoryId: string, options: { readonly namespace?: string; readonly signal: AbortSignal }): Promise<unknown>;
}

/** The memories of a hub, through its synchronizer: one way to write, with an outcome. */
export class HubTarget implements Target {
  readonly #writer: MemoryWriter;
  readonly #namespace: string | undefined;

  /** @param namespace that of the items. @default "default" */
  constructor(writer: MemoryWriter, namespace?: string) {
    this.#writer = writer;
    this.#namespace = namespace;
  }

  async write(items: readonly SourceItem[], signal: AbortSignal): Promise<ItemOutcome[]> {
    if (items.length === 0) return [];
    const memories = items.map(({ memoryId, fields }) => ({ ...fields, memoryId }));
    const outcomes = await this.#writer.syncBatch(memories, { signal });
    return outcomes.map(({ status, version, error }): ItemOutcome => {
      if (status === "synced" || status === "degraded") return { outcome: version === 1 ? "created" : "updated" };
      if (status === "unchanged") return { outcome: "unchanged" };
      if (error === undefined)
        return { outcome: "refused", code: "VERSION_CONFLICT", message: "the memory is at another version" };
      if (error.code === "ERASED") return { outcome: "erased" };
      // A store that is away ends the run: the items are read again by the next one.
      if (error.retryable) throw error;
      return { outcome: "refused", code: error.code, message: error.message };
    });
  }

  async delete(memoryIds: readonly string[], signal: AbortSignal): Promise<void> {
    const namespace = this.#namespace === undefined ? {} : { namespace: this.#namespace };
    for (const memoryId of memoryIds) {
      try {
        await this.#writer.delete(memoryId, { ...namespace, signal });
      } catch (error) {
        // Gone here too, by another hand.
        if (!(error instanceof MnemosyncError && (error.code === "NOT_FOUND" || error.code === "ERASED"))) throw error;
      }
    }
  }
}
