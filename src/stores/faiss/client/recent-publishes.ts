import type { MemoryKey } from "../../../domain/keys.ts";
import { keyText, parseKeyText } from "../../../domain/keys.ts";
import { ChangeCursor, type PackedChanges } from "../protocol/packed-changes.ts";

const KEPT_MAX = 65_536;
const KEPT_MS = 15 * 60_000;

/**
 * A buffer of recent publishes, for the recovery after a crash of the host. The feed shows a transaction only once all
 * older transactions have ended. While a long transaction runs, a version can be committed, published and searched before
 * the feed shows it; without this buffer a restart would take it back. The buffer is bounded: a transaction that has been
 * open for more than 15 minutes is past the ledger's alarm, and the backlog and the checker still find what it hid.
 */
export class RecentPublishes {
  readonly #now: () => number;
  /** Batches, oldest first, as they were sent to the host. One entry per change would cost as much as its publish. */
  #recent: { readonly changes: PackedChanges; readonly at: number }[] = [];
  #first = 0;
  #size = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Number of buffered changes. A memory counts once per publish. */
  get size(): number {
    return this.#size;
  }

  note(changes: PackedChanges): void {
    const at = this.#now();
    this.#recent.push({ changes, at });
    this.#size += changes.count;
    for (;;) {
      const oldest = this.#recent[this.#first];
      // The newest batch stays whatever its size: the host took it in one call.
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

  /** The buffered changes, one per memory, at its newest version. */
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
