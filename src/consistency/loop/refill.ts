import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Projection } from "../../stores/projection.ts";
import { wantedChange, withoutForeignVector } from "../../stores/traits.ts";
import type { Pace } from "../check/pace.ts";
import { isSound } from "../reconcile/sides.ts";

/** Memories that are read and published at a time. */
const PAGE_SIZE = 500;
/** Pages that are being published while the next one is read. */
const PUBLISHING_MAX = 2;

export interface RefillOptions {
  /** Where an earlier fill ended; null: at the start. */
  readonly after?: MemoryKey | null;
  /**
   * Told, in the order of keys, that the store has everything up to and with `last`, and how many memories it took so far.
   * A rejection ends the fill.
   */
  readonly onPublished?: (last: MemoryKey, applied: number) => Promise<void>;
}

/**
 * Publishes all of the ledger's live memories to a projection that is empty: it lost everything, or was registered anew. It
 * needs no check first, and overwrites nothing that could be evidence: a publish never replaces a version by an older one,
 * so later entries stay. Memories that are damaged in the ledger itself are left out, for the check to find.
 * @param pace that of checks: other work comes first, and the rate is limited as a check's is.
 * @returns how many the projection applied.
 */
export async function refill(
  ledger: Pick<LedgerStore, "listChanges">,
  projection: Projection,
  pace: Pick<Pace, "turn">,
  signal: AbortSignal,
  options: RefillOptions = {},
): Promise<number> {
  const { onPublished } = options;
  let applied = 0;
  const publishing = new Set<Promise<void>>();
  let failure: unknown;
  let after: MemoryKey | null = options.after ?? null;
  /** All pages before the one that is read now, published and told of. */
  let before: Promise<void> = Promise.resolve();
  try {
    while (failure === undefined) {
      const page: MemoryChange[] = await ledger.listChanges(after, PAGE_SIZE, signal);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last;
      if (publishing.size === PUBLISHING_MAX) await Promise.race(publishing);
      const part = publishInOrder(page, last, before)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => publishing.delete(part));
      publishing.add(part);
      before = part;
      await pace.turn(page.length, signal);
    }
  } finally {
    await Promise.all(publishing); // None of them rejects. Nothing is under way when this returns.
  }
  if (failure !== undefined) throw failure;
  return applied;

  /** Pages are published side by side and told of one after the other. */
  async function publishInOrder(page: readonly MemoryChange[], last: MemoryKey, earlier: Promise<void>): Promise<void> {
    await publish(page);
    await earlier;
    if (failure === undefined) await onPublished?.(last, applied);
  }

  async function publish(page: readonly MemoryChange[]): Promise<void> {
    const { traits } = projection;
    const changes = page
      .filter((change) => change.kind === "put" && isSound(change))
      .map((change) => withoutForeignVector(traits, change))
      .filter((change) => wantedChange(traits, change) !== null);
    if (changes.length === 0) return;
    for (const answer of await projection.publish(changes, signal)) if (answer === "applied") applied++;
  }
}
