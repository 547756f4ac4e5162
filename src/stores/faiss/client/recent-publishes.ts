import type { MemoryKey } from "../../../domain/keys.ts";
import { keyText, parseKeyText } from "../../../domain/keys.ts";
import { ChangeCursor, type PackedChanges } from "../protocol/packed-changes.ts";

const KEPT_MAX = 65_536;
const KEPT_MS = 15 * 60_000;

/**
 * What was published lately, for the recovery after a crash of the host. The feed shows a transaction only once all
 * older ones have ended, so a version that was committed, published and searched may not be in it yet while a long
 * transaction runs: without this memory a restart would take it back. Bounded: a transaction that has been open for
 * longer than a quarter of an hour is past the ledger's alarm, and the backlog and the checker still find what it hid.
 */
export class RecentPublishes {
  readonly #now: () => number;
  /** Oldest first, as they went to the host: making an entry of each would cost as much as publishing it. */
  #recent: { readonly changes: PackedChanges; readonly at: number }[] = [];
  #first = 0;
  #size = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Changes remembered; one memory counts as often as it was published. */
  get size(): number {
    return this.#size;
  }

  note(changes: PackedChanges): void {
    const at = this.#now();
    this.#recent.push({ changes, at });
    this.#size += changes.count;
    for (;;) {
      const oldest = this.#recent[this.#first];
      // The newest stays, however many it is: its like went through the host in one call.
      if (oldest === undefined || oldest.changes === changes) break;
      if (this.#size <= KEPT_MAX && at - oldest.at <= KEPT_MS) break;
      this.#size -= oldest.changes.count;
      this.#first++;
    }
    if (this.#first * 2 > this.#recent.length) {
      this.#recent = this.#recent.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Each memory once, at its newest version. */
  headers(): (MemoryKey & { version: number })[] {
    const versions = new Map<string, number>();
    for (const { changes } of this.#recent.slice(this.#first)) {
      for (const change = new ChangeCursor(changes); change.next(); ) {
        const text = keyText(change);
        versions.set(text, Math.max(change.version, versions.get(text) ?? 0));
      }
    }
    return [...versions].map(([text, version]) => ({ ...parseKeyText(text), version }));
  }

  clear(): void {
    this.#recent = [];
    this.#first = 0;
    this.#size = 0;
  }
}
