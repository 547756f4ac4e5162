import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import { pause } from "../../runtime/deadline.ts";
import type { Projection } from "../../stores/projection.ts";
import { isProvenEntry } from "../../write/stale.ts";

/** Milliseconds before each further look: a publish under way ends within some of them. */
const LOOK_AGAIN_MS = [20, 100, 400];
/** Memories that are kept, and looked at again. With more of them, the store is not proven. */
const OPEN_MAX = 5_000;

/**
 * Entries of memories that were being written while a check compared their store. A difference there is no drift, and no
 * proof either: the entry may be a version that a failover took back. A check that ignored it would confirm the store, and
 * reads would show that version until the write reaches the store.
 */
export class UnprovenEntries {
  readonly #ledger: Pick<LedgerStore, "readCommitted">;
  readonly #open = new Map<StoreId, Map<string, MemoryKey>>();

  constructor(ledger: Pick<LedgerStore, "readCommitted">) {
    this.#ledger = ledger;
  }

  /** Memories of which the store holds a version that the ledger does not know, as last looked at; some 5,000 at most. */
  of(store: StoreId): MemoryKey[] {
    return [...(this.#open.get(store)?.values() ?? [])];
  }

  /** Reads what the store holds, and asks the ledger for exactly these versions. */
  async examine(projection: Projection, keys: readonly MemoryKey[], signal: AbortSignal): Promise<void> {
    if (keys.length === 0) return;
    // The store before the ledger: what a correct store shows was committed by then.
    const entries = await projection.read(keys.map(plainKey), { data: false }, signal);
    const shown = entries.flatMap((entry) => (entry === null || entry.state === "malformed" ? [] : [entry]));
    const committed = shown.length === 0 ? [] : await this.#ledger.readCommitted(shown, signal);
    const open = this.#open.get(projection.id) ?? new Map<string, MemoryKey>();
    this.#open.set(projection.id, open);
    for (const key of keys) open.delete(keyText(key));
    for (const [index, entry] of shown.entries()) {
      if (isProvenEntry(projection.traits, entry, committed[index] ?? null)) continue;
      if (open.size <= OPEN_MAX) open.set(keyText(entry), plainKey(entry));
    }
  }

  /** Has those that are open compared again, some times: most of them are settled by then, or have become findings. */
  async settle(compare: (keys: readonly MemoryKey[]) => Promise<void>, signal: AbortSignal): Promise<void> {
    for (const waitMs of LOOK_AGAIN_MS) {
      const keys = new Map([...this.#open.values()].flatMap((open) => [...open]));
      if (keys.size === 0 || keys.size > OPEN_MAX) return;
      await pause(waitMs, signal);
      signal.throwIfAborted();
      this.#open.clear();
      await compare([...keys.values()]);
    }
  }
}
