import { StoreUnavailableError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { ErasureLedger } from "../ledger/erasure-ledger.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { Projection, StoredEntry } from "../stores/projection.ts";
import type { StoreGate } from "../write/store-gate.ts";
import type { OnEraseStep } from "./erase-step.ts";

/** What keeps content of memories beside the stores, e.g. files of theirs. */
export interface ContentKeeper {
  /** Names it in receipts. */
  readonly id: string;
  /** Names where it keeps that: what two processes share has one name. Null: it keeps nothing. */
  place(): Promise<string | null>;
  /** Removes what it keeps of erased memories. @param erasedOf which of some memories are. @returns memories of which it kept something. */
  removeErased(
    erasedOf: (keys: readonly MemoryKey[], signal: AbortSignal) => Promise<readonly MemoryKey[]>,
    signal: AbortSignal,
  ): Promise<readonly MemoryKey[]>;
}

export interface ConfirmerParts {
  readonly ledger: Pick<LedgerStore, "nodeId" | "readChanges">;
  readonly erasures: Pick<
    ErasureLedger,
    "listUnconfirmed" | "readListed" | "confirmErasure" | "registerErasureStores" | "readErasedKeys"
  >;
  /** One per store of this node. */
  readonly gates: readonly StoreGate[];
  /** They confirm as stores do. */
  readonly keepers: readonly ContentKeeper[];
  /** Drops what this process keeps of memories beside its stores. */
  readonly forget: (keys: readonly MemoryKey[]) => void;
  readonly log: Log;
  readonly onStep?: OnEraseStep | undefined;
}

/** Memories that a store is asked for at a time. */
const PAGE_SIZE = 500;
/** Erasures that one pass confirms. */
const ERASURES_MAX = 100;
/** Erasures that fail in one pass before it gives up on the store: it may be away. */
const FAILURES_MAX = 3;
/** Looks at a store that still holds an erased memory, before the pass gives up. */
const LOOKS_MAX = 5;

/** What a store held of an erasure. */
interface Cleared {
  readonly id: string;
  readonly memories: number;
  readonly removed: number;
}

/**
 * Has each store of this node look for the memories of erasures, remove what is left of them, on its disk too, and confirm.
 * A store that was away, or a node that was down, does so when it is back: the ledger says what is open. An erasure that fails
 * does not hold up the others: passes go on behind it, and begin at the oldest again once all were tried.
 */
export class Confirmer {
  readonly #parts: ConfirmerParts;
  /** By store: erasures up to this one were tried in this round. */
  readonly #after = new Map<string, string>();

  constructor(parts: ConfirmerParts) {
    this.#parts = parts;
  }

  /** Makes the stores that this node has by itself known: an erasure is complete once they have confirmed it. */
  async register(signal: AbortSignal): Promise<void> {
    const { ledger, gates, erasures } = this.#parts;
    const own = gates.filter(({ target }) => target.traits.scope === "node");
    const stores = own.map(({ target }) => ({ store: target.id, nodeId: ledger.nodeId }));
    for (const keeper of this.#parts.keepers) {
      const place = await this.#placeOf(keeper);
      if (place !== null) stores.push({ store: keeper.id, nodeId: place });
    }
    if (stores.length > 0) await erasures.registerErasureStores(stores, signal);
  }

  /** One pass. A store that fails is logged, and tried again by the next one. @returns whether more may be waiting. */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    let more = false;
    for (const gate of this.#parts.gates) {
      if (!gate.allows()) continue;
      try {
        more = (await this.#confirm(gate.target, signal)) || more;
      } catch (error) {
        signal.throwIfAborted();
        this.#parts.log.warn({ store: gate.target.id, error: (error as Error).message }, "erasure.store_delayed");
      }
    }
    for (const keeper of this.#parts.keepers) {
      const place = await this.#placeOf(keeper);
      if (place === null) continue;
      try {
        await this.#confirmKeeper(keeper, place, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#parts.log.warn({ store: keeper.id, error: (error as Error).message }, "erasure.store_delayed");
      }
    }
    return more;
  }

  /** Null also where it cannot be told, e.g. for want of a right: erasures wait for one that can. */
  async #placeOf(keeper: ContentKeeper): Promise<string | null> {
    try {
      return await keeper.place();
    } catch (error) {
      this.#parts.log.warn({ store: keeper.id, error: (error as Error).message }, "erasure.store_delayed");
      return null;
    }
  }

  /** It is looked through once for all erasures that are open at that time. */
  async #confirmKeeper(keeper: ContentKeeper, place: string, signal: AbortSignal): Promise<void> {
    const { erasures, log, onStep } = this.#parts;
    const store = { store: keeper.id, nodeId: place };
    const open: string[] = [];
    for (let page: readonly string[] | null = null; page === null || page.length === ERASURES_MAX; ) {
      page = await erasures.listUnconfirmed(store, open.at(-1) ?? "", ERASURES_MAX, signal);
      open.push(...page);
    }
    if (open.length === 0) return;
    const found = await keeper.removeErased((keys, each) => erasures.readErasedKeys(keys, each), signal);
    const removedKeys = new Set(found.map(keyText));
    await onStep?.("store_cleared");
    for (const id of open) {
      let [memories, removed] = [0, 0];
      for (let after: string | null = null; ; ) {
        const keys: MemoryKey[] = await erasures.readListed(id, after, "all", PAGE_SIZE, signal);
        if (keys.length === 0) break;
        memories += keys.length;
        removed += keys.filter((key) => removedKeys.has(keyText(key))).length;
        after = keys.at(-1)?.memoryId ?? null;
      }
      await erasures.confirmErasure(id, { ...store, memories, removed }, signal);
      log.info({ erasure: id, store: keeper.id, memories, removed }, "erasure.confirmed");
    }
    await onStep?.("store_confirmed");
  }

  async #confirm(store: Projection, signal: AbortSignal): Promise<boolean> {
    const { ledger, erasures, log, onStep } = this.#parts;
    const nodeId = store.traits.scope === "node" ? ledger.nodeId : "";
    const after = this.#after.get(store.id) ?? "";
    const open = await erasures.listUnconfirmed({ store: store.id, nodeId }, after, ERASURES_MAX, signal);
    this.#after.delete(store.id);
    if (open.length === 0) return false;
    await store.catchUp?.(signal);
    const { cleared, tried } = await this.#clearEach(store, open, signal);
    // Once for all of them: it may rewrite an index.
    if (cleared.some(({ memories }) => memories > 0)) await store.forget?.(signal);
    await onStep?.("store_cleared");
    for (const { id, memories, removed } of cleared) {
      await erasures.confirmErasure(id, { store: store.id, nodeId, memories, removed }, signal);
      log.info({ erasure: id, store: store.id, memories, removed }, "erasure.confirmed");
    }
    await onStep?.("store_confirmed");
    const last = open[tried - 1];
    if (last !== undefined && (tried < open.length || tried === ERASURES_MAX)) this.#after.set(store.id, last);
    return tried === ERASURES_MAX;
  }

  /** @returns those that went well, and how many were tried. */
  async #clearEach(
    store: Projection,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<{ cleared: Cleared[]; tried: number }> {
    const cleared: Cleared[] = [];
    let tried = 0;
    for (const id of ids) {
      tried++;
      try {
        cleared.push(await this.#clear(store, id, signal));
      } catch (error) {
        signal.throwIfAborted();
        const { message } = error as Error;
        this.#parts.log.warn({ erasure: id, store: store.id, error: message }, "erasure.store_delayed");
        if (tried - cleared.length >= FAILURES_MAX) break;
      }
    }
    return { cleared, tried };
  }

  /** Looks for all memories of an erasure, and removes those that the store holds though the ledger does not. */
  async #clear(store: Projection, id: string, signal: AbortSignal): Promise<Cleared> {
    let [memories, removed] = [0, 0];
    for (let after: string | null = null; ; ) {
      const keys: MemoryKey[] = await this.#parts.erasures.readListed(id, after, "all", PAGE_SIZE, signal);
      if (keys.length === 0) return { id, memories, removed };
      memories += keys.length;
      this.#parts.forget(keys);
      removed += await this.#remove(store, keys, signal);
      after = keys.at(-1)?.memoryId ?? null;
    }
  }

  async #remove(store: Projection, keys: readonly MemoryKey[], signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (let looks = 1; ; looks++) {
      const entries = await store.read(keys, { data: false }, signal);
      const held = entries.filter((entry): entry is StoredEntry => entry !== null && entry.state !== "tombstone");
      if (held.length === 0) return removed;
      const changes = await this.#parts.ledger.readChanges(held, signal);
      const replacements = held.flatMap((found) => {
        const change = changes.get(keyText(found)) ?? null;
        // A put was written after a revival.
        return change?.kind === "put" ? [] : [{ key: found, found, change }];
      });
      if (replacements.length === 0) return removed;
      if (looks > LOOKS_MAX) throw new StoreUnavailableError(store.id, "it still holds memories that were erased");
      const answers = await store.replace(replacements, signal);
      removed += answers.filter((answer) => answer === "applied").length;
    }
  }
}
