import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { Projection, Replacement, StoredEntry } from "../../stores/projection.ts";
import { identityOf, wantedChange } from "../../stores/traits.ts";
import { isSound, readSides } from "../reconcile/sides.ts";
import type { RepairerParts, RepairStep } from "./repair-options.ts";

/**
 * Makes every projection hold the ledger's current version of `keys`, also where it holds a newer one that the ledger
 * never gave out, and reads it back. The backlog has no work left on a memory that a projection holds then.
 * @returns by key text what still differs.
 */
export async function bringUpToDate(
  parts: Pick<RepairerParts, "ledger" | "projections">,
  keys: readonly MemoryKey[],
  { signal }: Pick<RepairStep, "signal">,
): Promise<Map<string, string>> {
  const differences = new Map<string, string>();
  if (keys.length === 0) return differences;
  for (const projection of parts.projections) {
    // Before the store is read: an entry queued later concerns a version that this repair has not seen.
    const queue = parts.ledger.queueOf(identityOf(projection));
    const queued = await parts.ledger.readQueued(queue, keys, signal);
    const agreeing = new Set<string>();
    const outdated = async (items: readonly MemoryKey[]): Promise<Replacement[]> =>
      (await readSides(parts, projection, items, signal)).flatMap(({ item: key, change, entry }) => {
        if (change === null || !isSound(change)) return [];
        const wanted = wantedChange(projection.traits, change);
        if (!agrees(projection, entry, wanted)) return [{ key, found: entry, change: wanted }];
        agreeing.add(keyText(key));
        return [];
      });
    const replacements = await outdated(keys);
    if (replacements.length > 0) {
      await projection.replace(replacements, signal);
      for (const { key } of await outdated(replacements.map(({ key }) => key))) {
        differences.set(keyText(key), `${projection.id} does not hold the new version yet: run the check again`);
      }
    }
    const done = queued.filter((memory) => agreeing.has(keyText(memory)));
    if (done.length > 0) await parts.ledger.settle(queue, done, signal);
  }
  return differences;
}

function agrees(projection: Projection, entry: StoredEntry | null, wanted: MemoryChange | null): boolean {
  if (wanted === null) return entry === null || entry.state === "tombstone";
  if (entry === null || entry.state === "malformed") return false;
  if (wanted.kind === "tombstone") return entry.state === "tombstone" && entry.version >= wanted.version;
  if (entry.state !== "live" || entry.version !== wanted.version || entry.checksum !== wanted.checksum) return false;
  return projection.flaw(entry, wanted) === null;
}
