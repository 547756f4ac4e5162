import { keyText, type MemoryKey } from "../domain/keys.ts";

/** Memories in each of the two generations, some 10 MB together. */
const GENERATION_MAX = 32_768;

/**
 * The newest version of each memory that this process has written or read, of the last 32,768 memories at least. Redis
 * may be behind the ledger for a while after an outage. An entry below the floor is outdated, and the ledger is asked
 * instead. So a process reads its own writes, and never sees a memory go back.
 *
 * Kept in two generations: when the younger one is full, the older one is forgotten as a whole. Removing the eldest entry
 * of one map each time took up to 50 µs, as a map walks over all the places that were freed before.
 */
export class VersionFloors {
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  raise(key: MemoryKey, version: number): void {
    this.raiseText(keyText(key), version);
  }

  /** As `raise`, for the `keyText` of a key: making that text, and hashing it, is most of a look here. */
  raiseText(text: string, version: number): void {
    const young = this.#young.get(text);
    if (young !== undefined && young >= version) return; // As with most reads.
    this.#young.set(text, Math.max(young ?? this.#old.get(text) ?? 0, version));
    if (this.#young.size < GENERATION_MAX) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  /**
   * Takes over the answer of the ledger to a question that was asked when the floor was `before`. A floor above the answer
   * came from a store that showed an uncommitted version: it is lowered, unless a later write raised it meanwhile.
   */
  settle(key: MemoryKey, version: number, before: number): void {
    if (this.of(key) === before) {
      this.#young.delete(keyText(key));
      this.#old.delete(keyText(key));
    }
    this.raise(key, version);
  }

  /** The oldest version of this memory that may be shown; 0 when none is known. */
  of(key: MemoryKey): number {
    return this.ofText(keyText(key));
  }

  /** As `of`, for the `keyText` of a key. */
  ofText(text: string): number {
    return this.#young.get(text) ?? this.#old.get(text) ?? 0;
  }
}
