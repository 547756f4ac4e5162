import { MnemosyncError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { Projection } from "../../stores/projection.ts";
import { wantedChange, withoutForeignVector } from "../../stores/traits.ts";
import { isSound } from "../reconcile/sides.ts";
import type { CheckContext } from "./check-context.ts";

/**
 * Publishes the ledger's versions in place of entries of another layout. A cache miss is no finding, so no repair would do
 * it. A store that refuses does not fail the check: reads get these memories from the ledger, and the next check tries again.
 */
export async function refillEntries(
  { parts, signal }: Pick<CheckContext, "parts" | "signal">,
  projection: Projection,
  keys: readonly MemoryKey[],
): Promise<void> {
  if (keys.length === 0) return;
  const { ledger, log } = parts;
  const { id: store, traits } = projection;
  const changes = [...(await ledger.readChanges(keys, signal)).values()]
    .filter((change) => change.kind === "put" && isSound(change))
    .map((change) => withoutForeignVector(traits, change))
    .filter((change) => wantedChange(traits, change) !== null);
  if (changes.length === 0) return;
  try {
    await projection.publish(changes, signal, undefined, ledger.knownEpoch);
  } catch (error) {
    if (signal.aborted || !(error instanceof MnemosyncError)) throw error;
    log.warn({ store, memories: changes.length, error: error.message }, "check.refill_failed");
  }
}
