import type { LedgerStore } from "../ledger/ledger.ts";
import type { MemoryKey } from "../memory/keys.ts";
import type { MemoryChange } from "../memory/memory.ts";
import type { Projection } from "../projections/projection.ts";
import { isSound } from "./republish.ts";

/** Memories that are read and published at a time; as many more are being read meanwhile. */
const PAGE_SIZE = 500;

/**
 * Publishes all of the ledger's live memories to a projection that lost everything. Nothing has to be found out first, and
 * nothing is overwritten that could be evidence: a publish never replaces a version by an older one, so that whatever came
 * there since stays. What is damaged in the ledger itself is left out, for the check to find.
 * @returns how many the projection took.
 */
export async function refill(
  ledger: Pick<LedgerStore, "listChanges">,
  projection: Projection,
  signal: AbortSignal,
): Promise<number> {
  let applied = 0;
  let publishing: Promise<void> = Promise.resolve();
  let after: MemoryKey | null = null;
  for (;;) {
    const page: MemoryChange[] = await ledger.listChanges(after, PAGE_SIZE, signal);
    await publishing;
    const last = page.at(-1);
    if (last === undefined) return applied;
    signal.throwIfAborted();
    after = last;
    publishing = publish(page);
    publishing.catch(() => undefined); // Heard of where it is awaited.
  }

  async function publish(page: readonly MemoryChange[]): Promise<void> {
    const changes = page.filter((change) => projection.holds(change) && isSound(change));
    if (changes.length === 0) return;
    for (const answer of await projection.publish(changes, signal)) if (answer === "applied") applied++;
  }
}
