import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { StoredEntry } from "../stores/projection.ts";

/** Memories that are remembered, some 10 MB. */
const MEMORIES_MAX = 32_768;

/** A version as the ledger gave it out; the checksum is null for a deletion. */
export interface ProvenVersion {
  readonly version: number;
  readonly checksum: string | null;
}

export function provenVersion(change: MemoryChange): ProvenVersion {
  return { version: change.version, checksum: change.kind === "put" ? change.checksum : null };
}

/**
 * Memories of which the cache was seen to hold something that the ledger never gave out, at a version that is no older
 * than the ledger's. A version floor lets such an entry pass, so it is compared with what the ledger says until the
 * backlog has put the cache right. Of more than 32,768 memories the oldest are forgotten.
 */
export class DisprovedEntries {
  readonly #expected = new Map<string, ProvenVersion>();

  /** The cache holds something else than this version. */
  add(key: MemoryKey, expected: ProvenVersion): void {
    const text = keyText(key);
    this.#expected.delete(text); // Moves it to the end.
    this.#expected.set(text, { version: expected.version, checksum: expected.checksum });
    if (this.#expected.size > MEMORIES_MAX) this.#expected.delete(this.#expected.keys().next().value as string);
  }

  /** Takes over the ledger's answer, where the memory is one of these. */
  update(key: MemoryKey, current: ProvenVersion | null): void {
    const text = keyText(key);
    if (!this.#expected.has(text)) return;
    if (current === null) this.#expected.delete(text);
    else this.#expected.set(text, { version: current.version, checksum: current.checksum });
  }

  /** Whether the memory is one of these. */
  has(key: MemoryKey): boolean {
    return this.#expected.size > 0 && this.#expected.has(keyText(key));
  }

  /** Whether an entry of the cache may be shown. One that is as the ledger says ends the doubt. */
  allows(entry: Exclude<StoredEntry, { state: "malformed" }>): boolean {
    if (this.#expected.size === 0) return true; // Nearly always.
    const text = keyText(entry);
    const expected = this.#expected.get(text);
    if (expected === undefined) return true;
    const checksum = entry.state === "live" ? entry.checksum : null;
    if (entry.version !== expected.version || checksum !== expected.checksum) return false;
    this.#expected.delete(text);
    return true;
  }
}
