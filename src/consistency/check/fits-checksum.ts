import { checksumOf } from "../../domain/checksum.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LiveEntry } from "../../stores/projection.ts";

/**
 * Whether a copy's document and vector fit its own checksum. A store that is set up to hold no vectors leaves them to the
 * ledger, whose vector then belongs to the copy.
 */
export function fitsChecksum({ checksum, data }: LiveEntry, change: MemoryChange | null): boolean {
  if (data?.documentJson == null) return false;
  if (checksumOf(data.documentJson, data.embedding) === checksum) return true;
  const own = change?.kind === "put" ? change.embedding : null;
  return data.embedding === null && own !== null && checksumOf(data.documentJson, own) === checksum;
}
