import type { ListingOutcome, Source, SourceItem } from "../run/source.ts";
import type { TimeWindow } from "../time-window.ts";
import type { MemorySpaceClient } from "./client.ts";
import { type MappingOptions, memoryOf } from "./mapping.ts";

/** Memory Space as a source of memories. */
export class MemorySpaceSource implements Source {
  readonly #client: MemorySpaceClient;
  readonly #mapping: MappingOptions;

  constructor(client: MemorySpaceClient, mapping: MappingOptions = {}) {
    this.#client = client;
    this.#mapping = mapping;
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#client.ping({ signal });
  }

  async *list({ from, to }: TimeWindow, signal: AbortSignal): AsyncGenerator<SourceItem, ListingOutcome> {
    const window = { ...(from !== null && { from }), ...(to !== null && { to }) };
    const items = this.#client.listItems({ ...window, signal });
    for (;;) {
      const step = await items.next();
      if (step.done) return step.value;
      const item = memoryOf(step.value, this.#client.context, this.#mapping);
      if (item !== null) yield item;
    }
  }

  /** An item that lost its text or its tag is still there: it is not missing. */
  async get(id: string, signal: AbortSignal): Promise<SourceItem | null> {
    const item = await this.#client.getItem(id, { signal });
    if (item === null) return null;
    const mapped = memoryOf(item, this.#client.context, { ...this.#mapping, tags: undefined });
    return mapped ?? { id, memoryId: id, fields: { content: "", memoryType: "none" }, hash: "" };
  }
}
