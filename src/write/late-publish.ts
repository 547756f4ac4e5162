import { keyText } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { StoreGate } from "./store-gate.ts";

/**
 * Milliseconds from reading or committing a version to publishing it, from which the publish is late: the process was
 * paused, or the store slow. By then a newer version may have been published, and its entry dropped again by the store: a
 * tombstone, above all, which is the first thing to go under a `volatile-*` policy of Redis.
 */
export const LATE_MS = 1_000;

interface LateParts {
  readonly ledger: Pick<LedgerStore, "knownEpoch" | "readVersions" | "readChanges">;
  readonly log: Log;
}

/**
 * After a late publish: of the changes that the store took, those that the ledger has overtaken by now are replaced by its
 * current versions. Nothing in the store fends off an old version where the newer one's entry was dropped.
 */
export async function correctLate(
  { ledger, log }: LateParts,
  { target }: StoreGate,
  changes: readonly MemoryChange[],
  answers: readonly ("applied" | "stale")[],
  signal: AbortSignal,
): Promise<void> {
  const applied = changes.filter((_, index) => answers[index] === "applied");
  if (applied.length === 0) return;
  const versions = await ledger.readVersions(applied, signal);
  const overtaken = applied.filter((change) => (versions.get(keyText(change))?.version ?? 0) > change.version);
  if (overtaken.length === 0) return;
  log.warn({ store: target.id, memories: overtaken.length }, "write.late_publish_corrected");
  const { knownEpoch } = ledger;
  const current = await ledger.readChanges(overtaken, signal);
  await target.publish([...current.values()], signal, undefined, knownEpoch);
}
