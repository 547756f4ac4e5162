import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Projection } from "../../stores/projection.ts";
import { wantedChange, withoutForeignVector } from "../../stores/traits.ts";
import type { Pace } from "../check/pace.ts";
import { isSound } from "../reconcile/sides.ts";

/** Memories per page. */
const PAGE_SIZE = 500;
/** Pages published concurrently while the next one is read. */
const PUBLISHING_MAX = 3;

export interface RefillOptions {
  /** The last key of an earlier fill; null: start at the beginning. */
  readonly after?: MemoryKey | null;
  /**
   * Called in key order: the store has every memory up to and including `last`, and has applied this many so far. A
   * rejection ends the fill.
   */
  readonly onPublished?: (last: MemoryKey, applied: number) => Promise<void>;
}

/**
 * Publishes all live memories of the ledger to an empty projection, which lost everything or is newly registered. It needs
 * no prior check and overwrites no possible evidence: a publish never replaces a version with an older one, so later
 * entries stay. It skips memories that are damaged in the ledger itself; the check reports them.
 * @param pace of checks: the fill yields to other work and obeys the same rate limit.
 * @returns the number of memories that the projection applied.
 */
export async function refill(
  ledger: Pick<LedgerStore, "listChanges"> & Partial<Pick<LedgerStore, "knownEpoch">>,
  projection: Projection,
  pace: Pick<Pace, "turn">,
  signal: AbortSignal,
  options: RefillOptions = {},
): Promise<number> {
  const { onPublished } = options;
  const { knownEpoch } = ledger;
  let applied = 0;
  const publishing = new Set<Promise<void>>();
  let failure: unknown;
  let after: MemoryKey | null = options.after ?? null;
  /** Resolves when all pages before the current one are published and reported. */
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
    await Promise.all(publishing); // None of them rejects. No publish is in progress when this returns.
  }
  if (failure !== undefined) throw failure;
  return applied;

  /** Pages are published concurrently, and reported one after the other. */
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
    for (const answer of await projection.publish(changes, signal, undefined, knownEpoch)) {
      if (answer === "applied") applied++;
    }
  }
}
