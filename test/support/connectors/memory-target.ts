import type { SourceItem } from "../../../src/connectors/run/source.ts";
import type { ItemOutcome, Target } from "../../../src/connectors/run/target.ts";

/** Memories in a map, with their versions. Counts writes, so that a test sees what was written twice. */
export class MemoryTarget implements Target {
  readonly memories = new Map<string, { hash: string; version: number; content: string; metadata?: object }>();
  readonly erased = new Set<string>();
  readonly writes: string[] = [];
  readonly deletes: string[] = [];
  /** Called before each call, with its name. It may throw. */
  before: (call: string) => void = () => undefined;
  refuses: (item: SourceItem) => boolean = () => false;

  async write(items: readonly SourceItem[]): Promise<ItemOutcome[]> {
    this.before("write");
    const outcomes = items.map((item) => this.#write(item));
    this.before("written");
    return outcomes;
  }

  async delete(memoryIds: readonly string[]): Promise<void> {
    this.before("delete");
    for (const id of memoryIds) if (this.memories.delete(id)) this.deletes.push(id);
    this.before("deleted");
  }

  #write(item: SourceItem): ItemOutcome {
    const { memoryId, hash, fields } = item;
    if (this.erased.has(memoryId)) return { outcome: "erased" };
    if (this.refuses(item)) return { outcome: "refused", code: "VALIDATION", message: "content: is too long" };
    const held = this.memories.get(memoryId);
    if (held?.hash === hash) return { outcome: "unchanged" };
    const version = (held?.version ?? 0) + 1;
    this.memories.set(memoryId, { hash, version, content: fields.content, metadata: fields.metadata ?? {} });
    this.writes.push(`${memoryId}@${version}`);
    return { outcome: version === 1 ? "created" : "updated" };
  }
}
