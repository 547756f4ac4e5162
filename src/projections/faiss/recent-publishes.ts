import { keyText, type MemoryKey, parseKeyText } from "../../memory/keys.ts";

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
  /** Oldest first. */
  readonly #recent = new Map<string, { readonly version: number; readonly at: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#recent.size;
  }

  note(changes: readonly (MemoryKey & { readonly version: number })[]): void {
    const at = this.#now();
    for (const change of changes) {
      const text = keyText(change);
      const version = Math.max(change.version, this.#recent.get(text)?.version ?? 0);
      this.#recent.delete(text);
      this.#recent.set(text, { version, at });
    }
    for (const [text, oldest] of this.#recent) {
      if (this.#recent.size <= KEPT_MAX && at - oldest.at <= KEPT_MS) return;
      this.#recent.delete(text);
    }
  }

  headers(): (MemoryKey & { version: number })[] {
    return [...this.#recent].map(([text, { version }]) => ({ ...parseKeyText(text), version }));
  }

  clear(): void {
    this.#recent.clear();
  }
}
