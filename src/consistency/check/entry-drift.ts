import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerVersion } from "../../ledger/read-statements.ts";
import type { Eviction, Projection, StoredEntry } from "../../stores/projection.ts";
import { foreignTo } from "../../stores/traits.ts";
import { classify, type Drift } from "./classify.ts";
import { fitsChecksum } from "./fits-checksum.ts";

/** One memory in the ledger and in one projection. */
export interface EntryView {
  /** Undefined: the ledger does not know the memory. */
  readonly row: LedgerVersion | undefined;
  /** Null: nothing is there. */
  readonly entry: StoredEntry | null;
  /** The ledger's own data. Undefined: it was not read, so versions and checksums are compared alone. */
  readonly expected: MemoryChange | undefined;
  /** Whether the ledger's own data is damaged. */
  readonly isFlawed: boolean;
  readonly eviction: Eviction;
}

/** How an entry differs from the ledger, by version, checksum and, where they were read, the data themselves; null: it does not. */
export function entryDrift(
  projection: Projection,
  { row, entry, expected, isFlawed, eviction }: EntryView,
  now: number,
): Drift | null {
  const drift = classify(projection.traits, row, entry, now, eviction);
  if (row === undefined || isMiss(drift)) return drift;
  if (expected?.kind !== "put" || expected.version !== row.version) return drift;
  const foreign = foreignTo(projection.traits, expected);
  // Foreign, whatever the store holds: republishing the ledger's vector cannot repair it.
  if (foreign !== null) return { kind: "foreign", evidence: foreign };
  if (entry?.state !== "live") return drift;
  // While the ledger's own data is damaged, nothing proves which side differs: that damage is found and mended first.
  if (drift?.kind === "diverged" && isFlawed) return null;
  if (drift?.kind === "diverged" && entry.data?.documentJson != null) {
    // The content differs or is damaged: only a content that fits its own checksum competes with the ledger's.
    return fitsChecksum(entry, expected) ? drift : { kind: "corrupt", evidence: "the data does not fit the checksum" };
  }
  if (drift !== null) return drift;
  // A vector is compared with the ledger's, which must be undamaged for that.
  if (entry.data?.documentJson == null && isFlawed) return drift;
  const flaw = projection.flaw(entry, expected);
  return flaw === null ? drift : { kind: "corrupt", evidence: flaw };
}

/** An evicting store dropped the entry: a cache miss, no drift. */
export function isMiss(drift: Drift | null): boolean {
  return drift?.kind === "missing" && drift.evicted === true;
}
