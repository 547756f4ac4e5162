import { checksumOf } from "../../domain/checksum.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { LedgerVersion } from "../../ledger/read-statements.ts";
import type { Projection, StoredEntry } from "../../stores/projection.ts";
import type { Finding } from "../check/report.ts";

/** One memory in the ledger (null: unknown there) and in a projection (null: nothing is there), data included. */
export interface Sides {
  readonly change: MemoryChange | null;
  readonly entry: StoredEntry | null;
}

/** Each item with what the ledger and the projection hold of its memory. */
export async function readSides<Item extends MemoryKey>(
  { ledger }: { readonly ledger: Pick<LedgerStore, "readChanges"> },
  projection: Projection,
  items: readonly Item[],
  signal: AbortSignal,
): Promise<(Sides & { readonly item: Item })[]> {
  const [changes, entries] = await Promise.all([
    ledger.readChanges(items, signal),
    projection.read(items, { data: true }, signal),
  ]);
  return items.map((item, index) => ({
    item,
    change: changes.get(keyText(item)) ?? null,
    entry: entries[index] ?? null,
  }));
}

/** Whether the ledger's own data fits its checksum: damaged data is published nowhere. */
export function isSound(change: MemoryChange | null): boolean {
  return change?.kind !== "put" || checksumOf(change.documentJson, change.embedding) === change.checksum;
}

/** Whether the memory has changed since the finding, so that its repair would be a guess. */
export function movedOn(finding: Finding, { change, entry }: Sides): boolean {
  if ((change?.version ?? null) !== finding.expectedVersion) return true;
  const version = entry === null || entry.state === "malformed" ? null : entry.version;
  return version !== finding.foundVersion;
}

export const MOVED = "changed since the check: run it again";

/** The ledger's narrow row of a change, as far as comparing needs it. */
export function rowOf(change: MemoryChange | null): LedgerVersion | undefined {
  if (change === null) return undefined;
  const put = change.kind === "put" ? change : null;
  return {
    ...plainKey(change),
    version: change.version,
    checksum: put?.checksum ?? null,
    hasEmbedding: put?.embedding != null,
    modifiedAt: change.modifiedAt,
    expiresAt: put?.expiresAt ?? null,
    transactionId: "",
  };
}
