import type { LedgerVersion } from "../../ledger/read-statements.ts";
import type { Eviction, StoredEntry } from "../../stores/projection.ts";
import { keepsMemory, type ProjectionTraits } from "../../stores/traits.ts";
import type { DriftKind } from "./report.ts";

/** How an entry differs from the ledger. */
export interface Drift {
  readonly kind: DriftKind;
  /** The observation, for people. */
  readonly evidence: string;
  /** For `missing`: the store may evict such an entry, or has one of another layout: a cache miss and no drift. */
  readonly evicted?: boolean;
}

/** The expected state of a memory in a projection. */
export type Expectation = "live" | "nothing" | "tombstone";

/** The expected state of a memory in a projection with the given traits. */
export function expectationOf(ledger: LedgerVersion, traits: ProjectionTraits): Expectation {
  if (ledger.checksum === null) return "tombstone";
  return keepsMemory(traits, ledger.hasEmbedding) ? "live" : "nothing";
}

/**
 * Compares a projection's entry (null: nothing is there) with the ledger's row (undefined: the memory is unknown), by
 * version and checksum. Null when they agree. Pure: every case is in the table of its unit test.
 */
export function classify(
  traits: ProjectionTraits,
  ledger: LedgerVersion | undefined,
  entry: StoredEntry | null,
  now: number,
  eviction: Eviction = "none",
): Drift | null {
  if (entry?.state === "malformed" && entry.otherFormat !== undefined) {
    const isExpired = ledger?.expiresAt != null && ledger.expiresAt <= now;
    if (ledger === undefined || isExpired || expectationOf(ledger, traits) !== "live") return null;
    return { kind: "missing", evidence: entry.reason, evicted: true };
  }
  if (entry?.state === "malformed")
    return { kind: ledger === undefined ? "orphan" : "corrupt", evidence: entry.reason };
  // A tombstone of a memory that the ledger does not know shows nothing and expires by itself.
  if (ledger === undefined) {
    return entry?.state === "live" ? { kind: "orphan", evidence: `holds version ${entry.version}` } : null;
  }
  // No store shows an expired memory; a store may have dropped it before the sweeper deleted it.
  if (entry === null && ledger.expiresAt !== null && ledger.expiresAt <= now) return null;
  switch (expectationOf(ledger, traits)) {
    case "live":
      return classifyLive(ledger, entry, eviction);
    case "nothing":
      return entry?.state === "live" ? older(ledger, entry.version, "a vector for a memory that has none") : null;
    case "tombstone":
      if (entry === null || entry.state === "tombstone") return null;
      return { kind: "resurrected", evidence: `shows version ${entry.version}, deleted at version ${ledger.version}` };
  }
}

function classifyLive(
  ledger: LedgerVersion,
  entry: Exclude<StoredEntry, { state: "malformed" }> | null,
  eviction: Eviction,
): Drift | null {
  if (entry === null) {
    const evicted = eviction === "all" || (eviction === "expiring" && ledger.expiresAt !== null);
    return { kind: "missing", evidence: `version ${ledger.version} is not there`, ...(evicted && { evicted }) };
  }
  if (entry.state === "tombstone") {
    if (entry.version === ledger.version) {
      return { kind: "missing", evidence: `a tombstone stands in place of version ${entry.version}` };
    }
    return older(ledger, entry.version, "a tombstone");
  }
  if (entry.version !== ledger.version) return older(ledger, entry.version, "it");
  if (entry.checksum === ledger.checksum) return null;
  return { kind: "diverged", evidence: `checksum ${short(entry.checksum)}, expected ${short(ledger.checksum ?? "")}` };
}

function older(ledger: LedgerVersion, version: number, what: string): Drift {
  const evidence = `${what} is at version ${version}, the ledger at ${ledger.version}`;
  return { kind: version > ledger.version ? "ahead" : "stale", evidence };
}

function short(checksum: string): string {
  return checksum.length > 12 ? `${checksum.slice(0, 12)}…` : checksum;
}
