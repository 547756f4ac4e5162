import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { Projection, Replacement, StoredEntry } from "../../stores/projection.ts";
import { wantedChange } from "../../stores/traits.ts";
import type { RepairerParts, RepairStep } from "./repair-options.ts";
import { isSound, readSides, type Sides } from "./republish.ts";

/**
 * Makes every projection hold the ledger's current version of `keys`, also where it holds a newer one that was no
 * version of the ledger's, and reads it back. @returns by key text what still differs.
 */
export async function bringUpToDate(
  parts: RepairerParts,
  keys: readonly MemoryKey[],
  step: RepairStep,
): Promise<Map<string, string>> {
  const differences = new Map<string, string>();
  if (keys.length === 0) return differences;
  for (const projection of parts.projections) {
    const replacements = outdated(projection, keys, await readSides(parts, projection, keys, step.signal));
    if (replacements.length === 0) continue;
    await projection.replace(replacements, step.signal);
    const replaced = replacements.map(({ key }) => key);
    for (const { key } of outdated(projection, replaced, await readSides(parts, projection, replaced, step.signal))) {
      differences.set(keyText(key), `${projection.id} does not hold the new version yet: run the check again`);
    }
  }
  return differences;
}

function outdated(projection: Projection, keys: readonly MemoryKey[], sides: readonly Sides[]): Replacement[] {
  return keys.flatMap((key, index) => {
    const { change, entry } = sides[index] as Sides;
    if (change === null || !isSound(change)) return [];
    const wanted = wantedChange(projection.traits, change);
    return agrees(projection, entry, wanted) ? [] : [{ key, found: entry, change: wanted }];
  });
}

function agrees(projection: Projection, entry: StoredEntry | null, wanted: MemoryChange | null): boolean {
  if (wanted === null) return entry === null || entry.state === "tombstone";
  if (entry === null || entry.state === "malformed") return false;
  if (wanted.kind === "tombstone") return entry.state === "tombstone" && entry.version >= wanted.version;
  if (entry.state !== "live" || entry.version !== wanted.version || entry.checksum !== wanted.checksum) return false;
  return projection.flaw(entry, wanted) === null;
}
