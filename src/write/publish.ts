import { InternalError, MnemosyncError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { StoreId, StoreIdentity } from "../domain/store-id.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import { countsAgainstStore, type StoreGate } from "./store-gate.ts";

export interface PublishParts {
  readonly ledger: LedgerStore;
  readonly log: Log;
  /** Milliseconds that a projection may take to publish a chunk. */
  readonly publishTimeoutMs: number;
}

/** How one projection stands after a publish. */
export interface StorePublish {
  readonly store: StoreId;
  /** Why the store does not have the changes; null when it does. */
  readonly failure: MnemosyncError | null;
  /** Memories (key texts) for which the store holds something that the ledger never gave out. */
  readonly overtaken: ReadonlySet<string>;
}

/**
 * Step 5: makes committed changes visible in one projection. Never rejects: what could not be published is no error of
 * the write.
 */
export async function publishTo(
  parts: PublishParts,
  gate: StoreGate,
  changes: readonly MemoryChange[],
  token?: string,
): Promise<StorePublish> {
  const store = gate.target.id;
  if (changes.length === 0) return { store, failure: null, overtaken: new Set() };
  try {
    return await withSharedDeadline(parts.publishTimeoutMs, undefined, async (signal) => {
      const answers = await gate.target.publish(changes, signal, token);
      gate.succeeded();
      const stale = changes.filter((_, index) => answers[index] === "stale");
      const overtaken = stale.length === 0 ? new Set<string>() : await findOvertaken(parts, gate, stale, signal);
      return { store, failure: null, overtaken };
    });
  } catch (error) {
    if (countsAgainstStore(error)) gate.failed(error);
    // Whatever went wrong, the changes are committed: the write must not be reported as failed.
    const failure =
      error instanceof MnemosyncError ? error : new InternalError(`publishing failed: ${error}`, { cause: error });
    parts.log.warn(
      { store, transactionId: token, memories: changes.length, code: failure.code, error: failure.message },
      "write.publish_failed",
    );
    return { store, failure, overtaken: new Set() };
  }
}

/**
 * A store that answers `stale` holds this version or a newer one: published by the backlog, or by a later write. But it
 * may also hold a version that nobody wrote, and then claiming that the change is there would be a lie.
 */
async function findOvertaken(
  parts: PublishParts,
  gate: StoreGate,
  stale: readonly MemoryChange[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const [entries, versions] = await Promise.all([
    gate.target.read(stale, { data: false }, signal),
    parts.ledger.readVersions(stale, signal),
  ]);
  const overtaken = new Set<string>();
  stale.forEach((change, index) => {
    const entry = entries[index];
    const current = versions.get(keyText(change))?.version ?? 0;
    const entryVersion = entry == null || entry.state === "malformed" ? 0 : entry.version;
    if (entryVersion > current) overtaken.add(keyText(change));
  });
  return overtaken;
}

/**
 * After publishing: confirms the transaction, or queues what stores did not take. When Postgres cannot be told now, the
 * transaction stays `committed`, and the backlog sees to it once it is overdue.
 */
export async function confirmPublished(
  parts: PublishParts,
  transactionId: string,
  pending: readonly { store: StoreIdentity; keys: readonly MemoryKey[]; reason: string }[],
): Promise<void> {
  const { ledger, publishTimeoutMs } = parts;
  try {
    await withSharedDeadline(publishTimeoutMs, undefined, (signal) =>
      pending.length === 0
        ? ledger.markPublished([transactionId], signal)
        : ledger.queuePending(transactionId, pending, signal),
    );
  } catch (error) {
    parts.log.warn({ transactionId, error: (error as Error).message }, "write.confirm_failed");
  }
}
