import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { CommittedVersion } from "../ledger/history-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Projection, StoredEntry } from "../stores/projection.ts";
import { keepsMemory, type ProjectionTraits } from "../stores/traits.ts";

/** The ledger's questions that a verdict on `stale` answers needs. */
export type CommittedVersions = Pick<LedgerStore, "readCommitted">;

/** A second look finds the version that another writer was publishing during the first one. */
const LOOKS_MAX = 2;

/**
 * Judges `stale` answers. A version number alone proves nothing: after the ledger lost transactions (a restore, an
 * asynchronous failover) a store may hold the same number, or a higher one, with a content that the ledger never gave
 * out. An answer counts where the store holds a version at least as new as the change, and the ledger knows exactly that
 * version: its checksum, or that it is a deletion. The current row and the history tell; they hold this epoch's versions
 * only, since what was lost is not in them.
 * @returns why the store is behind, by key text, for each change that is not proven.
 */
export async function judgeStale(
  ledger: CommittedVersions,
  projection: Pick<Projection, "read" | "traits">,
  stale: readonly MemoryChange[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  let reasons = new Map<string, string>();
  let open = stale;
  for (let look = 1; open.length > 0 && look <= LOOKS_MAX; look++) {
    reasons = await judge(ledger, projection, open, signal);
    open = open.filter((change) => reasons.has(keyText(change)));
  }
  return reasons;
}

async function judge(
  ledger: CommittedVersions,
  projection: Pick<Projection, "read" | "traits">,
  changes: readonly MemoryChange[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const { traits } = projection;
  // The store before the ledger: whatever a correct store shows was committed by then, so the ledger knows it.
  const entries = await projection.read(changes, { data: false }, signal);
  const reasons = new Map<string, string>();
  const others: { change: MemoryChange; entry: HeldEntry }[] = [];
  changes.forEach((change, index) => {
    const entry = entries[index] ?? null;
    const told = isHeld(entry) ? null : nothingHeld(entry);
    if (told !== null) reasons.set(keyText(change), told);
    else if (!holds(traits, entry as HeldEntry, versionOf(change))) others.push({ change, entry: entry as HeldEntry });
  });
  if (others.length === 0) return reasons;
  const wanted = others.map(({ entry }) => entry);
  const committed = await ledger.readCommitted(wanted, signal);
  for (const [index, { change, entry }] of others.entries()) {
    const version = committed[index] ?? null;
    const isProven = entry.version >= change.version && isProvenEntry(traits, entry, version);
    if (!isProven) reasons.set(keyText(change), foundInstead(entry, version));
  }
  return reasons;
}

type HeldEntry = Exclude<StoredEntry, { state: "malformed" }>;

function isHeld(entry: StoredEntry | null): entry is HeldEntry {
  return entry !== null && entry.state !== "malformed";
}

function nothingHeld(entry: StoredEntry | null): string {
  if (entry?.state === "malformed") return `the store answered stale, and holds no entry of ours: ${entry.reason}`;
  return "the store answered stale, and holds nothing under the key";
}

function versionOf(change: MemoryChange): CommittedVersion & MemoryKey {
  const { namespace, memoryId, version } = change;
  const put = change.kind === "put" ? change : null;
  return {
    namespace,
    memoryId,
    version,
    checksum: put?.checksum ?? null,
    hasEmbedding: put !== null && put.embedding !== null,
  };
}

/** Whether an entry is the copy that a store with these traits must hold of exactly this version. */
function holds(traits: ProjectionTraits, entry: HeldEntry, version: CommittedVersion): boolean {
  if (entry.version !== version.version) return false;
  const isLive = version.checksum !== null && keepsMemory(traits, version.hasEmbedding);
  if (!isLive) return entry.state === "tombstone";
  return entry.state === "live" && entry.checksum === version.checksum;
}

/** Whether an entry is the copy of a version that the ledger gave out. @param committed that version; null: it did not. */
export function isProvenEntry(traits: ProjectionTraits, entry: HeldEntry, committed: CommittedVersion | null): boolean {
  return committed !== null && holds(traits, entry, committed);
}

function foundInstead(entry: HeldEntry, version: CommittedVersion | null): string {
  const what = entry.state === "live" ? `version ${entry.version}` : `a deletion at version ${entry.version}`;
  return version === null
    ? `the store holds ${what}, which the ledger does not know`
    : `the store holds ${what} with another content than the ledger's`;
}
