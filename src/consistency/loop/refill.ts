import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Projection } from "../../stores/projection.ts";
import { wantedChange } from "../../stores/traits.ts";
import type { Pace } from "../check/pace.ts";
import { isSound } from "../repair/republish.ts";

/** Memories that are read and published at a time. */
const PAGE_SIZE = 500;
/** Pages on their way to the projection while the next one is read. */
const PUBLISHING_MAX = 2;

/**
 * Publishes all of the ledger's live memories to a projection that lost everything. Nothing has to be found out first, and
 * nothing is overwritten that could be evidence: a publish never replaces a version by an older one, so that whatever came
 * there since stays. What is damaged in the ledger itself is left out, for the check to find.
 * @param pace that of checks: other work comes first, and no more a second than a check may compare.
 * @returns how many the projection took.
 */
export async function refill(
  ledger: Pick<LedgerStore, "listChanges">,
  projection: Projection,
  pace: Pick<Pace, "turn">,
  signal: AbortSignal,
): Promise<number> {
  let applied = 0;
  const publishing = new Set<Promise<void>>();
  let failure: unknown;
  let after: MemoryKey | null = null;
  try {
    while (failure === undefined) {
      const page: MemoryChange[] = await ledger.listChanges(after, PAGE_SIZE, signal);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last;
      if (publishing.size === PUBLISHING_MAX) await Promise.race(publishing);
      const part = publish(page)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => publishing.delete(part));
      publishing.add(part);
      await pace.turn(page.length, signal);
    }
  } finally {
    await Promise.all(publishing); // None of them rejects; nothing is under way any more when this returns.
  }
  if (failure !== undefined) throw failure;
  return applied;

  async function publish(page: readonly MemoryChange[]): Promise<void> {
    const changes = page.filter(
      (change) => change.kind === "put" && wantedChange(projection.traits, change) !== null && isSound(change),
    );
    if (changes.length === 0) return;
    for (const answer of await projection.publish(changes, signal)) if (answer === "applied") applied++;
  }
}
