import { keyText, type MemoryKey } from "../memory/keys.ts";

/** Memories remembered, some 10 MB at most. */
const REMEMBERED_MAX = 65_536;

/**
 * The newest version of each memory that this process has written or read, of the last 65,536 memories. Redis may be
 * behind the ledger for a while after it was away: what it holds below the floor is old news to this process, and the
 * ledger is asked instead. So a process reads its own writes, and never sees a memory go back.
 */
export class VersionFloors {
  readonly #floors = new Map<string, number>();

  raise(key: MemoryKey, version: number): void {
    const text = keyText(key);
    const before = this.#floors.get(text) ?? 0;
    // Set anew in any case: a map keeps the order of insertion, and the first ones are forgotten first.
    this.#floors.delete(text);
    this.#floors.set(text, Math.max(before, version));
    if (this.#floors.size > REMEMBERED_MAX) {
      const oldest = this.#floors.keys().next().value;
      if (oldest !== undefined) this.#floors.delete(oldest);
    }
  }

  /**
   * Tells what the ledger said, which was asked when the floor was `before`. A floor above it came from a store that
   * showed what was never committed, and is taken back; unless it was raised meanwhile by a later write.
   */
  settle(key: MemoryKey, version: number, before: number): void {
    if (this.of(key) === before) this.#floors.delete(keyText(key));
    this.raise(key, version);
  }

  /** The version below which nothing of this memory may be shown; 0 when nothing is known. */
  of(key: MemoryKey): number {
    return this.#floors.get(keyText(key)) ?? 0;
  }
}
