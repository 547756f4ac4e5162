import type { MemoryFeed } from "../../../src/connectors/run/memory-feed.ts";
import { EpochChangedError } from "../../../src/domain/errors.ts";

interface Held {
  readonly version: number;
  readonly content: string;
  readonly privacy: "full" | "redacted" | "local_only";
}

type Event = Awaited<ReturnType<MemoryFeed["readChanges"]>>["events"][number];

/** Memories of one namespace and the feed of their latest changes, in memory. */
export class MemoryFeedDouble implements MemoryFeed {
  readonly memories = new Map<string, Held>();
  /** Latest event by memory, in the order of the last change. */
  readonly #events = new Map<string, Event & { readonly place: number }>();
  #place = 0;
  #epoch = 0;
  /** Called before each call, with its name. It may throw. */
  before: (call: string) => void = () => undefined;

  put(memoryId: string, content: string, privacy: Held["privacy"] = "full"): void {
    const version = (this.#events.get(memoryId)?.version ?? 0) + 1;
    this.memories.set(memoryId, { version, content, privacy });
    this.#tell(memoryId, privacy === "local_only" ? "withdrawn" : "put", version);
  }

  delete(memoryId: string): void {
    this.memories.delete(memoryId);
    this.#tell(memoryId, "deleted", (this.#events.get(memoryId)?.version ?? 0) + 1);
  }

  /** The ledger goes back to a copy that never had this memory. */
  forget(memoryId: string): void {
    this.memories.delete(memoryId);
    this.#events.delete(memoryId);
    this.#epoch++;
  }

  /** @returns sets the ledger back to what it has now. */
  copy(): () => void {
    const [memories, events] = [[...this.memories], [...this.#events]];
    return () => {
      this.memories.clear();
      this.#events.clear();
      for (const [memoryId, held] of memories) this.memories.set(memoryId, held);
      for (const [memoryId, event] of events) this.#events.set(memoryId, event);
      this.#epoch++;
    };
  }

  async readChanges({ cursor, limit }: Parameters<MemoryFeed["readChanges"]>[0]) {
    this.before("readChanges");
    const [epoch, place] = (cursor ?? `${this.#epoch}/0`).split("/").map(Number) as [number, number];
    if (epoch !== this.#epoch) throw new EpochChangedError(String(epoch), String(this.#epoch));
    const events = [...this.#events.values()].filter((event) => event.place > place).sort((a, b) => a.place - b.place);
    const page = events.slice(0, limit);
    return { events: page, cursor: `${epoch}/${page.at(-1)?.place ?? place}`, complete: events.length <= limit };
  }

  async get(memoryId: string) {
    this.before("get");
    const held = this.memories.get(memoryId);
    return held === undefined ? null : { ...held, memoryType: "episodic", importance: 0.5, metadata: {} };
  }

  #tell(memoryId: string, kind: Event["kind"], version: number): void {
    this.#events.delete(memoryId);
    this.#events.set(memoryId, { namespace: "default", memoryId, kind, version, place: ++this.#place });
  }
}
