import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { keyLiterals } from "../ledger/arrays.ts";
import { confirmErasure, listUnconfirmed, registerErasureStores } from "../ledger/erasure-confirmation-statements.ts";
import { readListed } from "../ledger/erasure-statements.ts";
import { REPLICA_STORE } from "../ledger/replica-marker.ts";
import { readErasedKeys } from "../ledger/scrub-statements.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import type { Fence } from "./cursor-statements.ts";
import type { PrimaryProof } from "./primary-proof.ts";
import { isRefusal } from "./refusals.ts";
import { resendMemory } from "./resend.ts";

export interface ErasureConfirmerParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly proof: Pick<PrimaryProof, "assert">;
  /** Name of the replica. */
  readonly name: string;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Erasures that one pass confirms. */
const ERASURES_PER_PASS = 20;
const PAGE_SIZE = 500;

/** Looks for the memories of erasures in the replica, takes out what is left of them, and confirms. */
export class ErasureConfirmer {
  readonly #parts: ErasureConfirmerParts;
  /** Erasures up to this one were tried in this round, which began at the oldest. */
  #after = "";
  /** Erasures that the replica refused in the last round, and in this one: each is logged once. */
  #refused: ReadonlySet<string> = new Set();
  readonly #refusedNow = new Set<string>();

  constructor(parts: ErasureConfirmerParts) {
    this.#parts = parts;
  }

  /** An erasure is complete once the replica has confirmed it. Of every node that knows the replica. */
  async register(signal: AbortSignal): Promise<void> {
    await callSide(this.#parts, this.#parts.primary, signal, (sql) => registerErasureStores(sql, [this.#store]));
  }

  /**
   * One pass, of the process that replicates. @returns whether more may be waiting.
   * @throws {EpochChangedError} The primary was put back, maybe to before a memory was revived. @throws what else is no refusal.
   */
  async runOnce(fence: Fence, signal: AbortSignal): Promise<boolean> {
    const { primary, log } = this.#parts;
    const open = await callSide(this.#parts, primary, signal, (sql) =>
      listUnconfirmed(sql, this.#store, this.#after, ERASURES_PER_PASS),
    );
    for (const id of open) {
      try {
        await this.#confirm(fence, id, signal);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // It stays unconfirmed, and is tried again in the next round: the others need not wait for it.
        this.#refusedNow.add(id);
        if (!this.#refused.has(id)) {
          log.warn({ erasure: id, store: REPLICA_STORE, error: error.message }, "erasure.store_refused");
        }
      }
    }
    const isCut = open.length === ERASURES_PER_PASS;
    this.#after = (isCut && open.at(-1)) || "";
    if (isCut) return true;
    this.#refused = new Set(this.#refusedNow);
    this.#refusedNow.clear();
    return false;
  }

  async #confirm(fence: Fence, id: string, signal: AbortSignal): Promise<void> {
    const { primary, log } = this.#parts;
    let [memories, removed] = [0, 0];
    for (let after: string | null = null; ; ) {
      const place: string | null = after;
      const keys: MemoryKey[] = await callSide(this.#parts, primary, signal, (sql) =>
        readListed(sql, id, place, "all", PAGE_SIZE),
      );
      if (keys.length === 0) break;
      memories += keys.length;
      removed += await this.#remove(fence, keys, signal);
      after = keys.at(-1)?.memoryId ?? null;
    }
    await callSide(this.#parts, primary, signal, (sql) =>
      confirmErasure(sql, id, { ...this.#store, memories, removed }),
    );
    log.info({ erasure: id, store: REPLICA_STORE, memories, removed }, "erasure.confirmed");
  }

  /** The feed has told of most of them already. @returns memories that were still there. */
  async #remove(fence: Fence, keys: readonly MemoryKey[], signal: AbortSignal): Promise<number> {
    const held = await callSide(this.#parts, this.#parts.replica, signal, (sql) => readHeld(sql, keys));
    if (held.length === 0) return 0;
    // One that was revived and written again may be there.
    const erased = await callSide(this.#parts, this.#parts.primary, signal, (sql) => readErasedKeys(sql, held));
    for (const key of erased) await resendMemory(this.#parts, fence, key, signal);
    const left = new Set(
      (await callSide(this.#parts, this.#parts.replica, signal, (sql) => readHeld(sql, erased))).map(keyText),
    );
    if (left.size > 0) throw new Error(`the replica still holds ${left.size} memories that were erased`);
    return erased.length;
  }

  get #store(): { store: string; nodeId: string } {
    return { store: REPLICA_STORE, nodeId: this.#parts.name };
  }
}

/** Those of `keys` of which the replica holds content, diverged versions included. */
async function readHeld(sql: Sql, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  return await sql<MemoryKey[]>`
    select k.namespace, k.memory_id as "memoryId"
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    where exists (select from mnemosync.memory_bodies b
                  where b.namespace = k.namespace and b.memory_id = k.memory_id and b.checksum is not null)
       or exists (select from mnemosync.diverged d
                  where d.namespace = k.namespace and d.memory_id = k.memory_id)`;
}
