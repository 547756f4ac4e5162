import { InternalError, MnemosyncError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { StoreId, StoreIdentity } from "../domain/store-id.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import { identityOf } from "../stores/traits.ts";
import { correctLate, LATE_MS } from "./late-publish.ts";
import { judgeStale } from "./stale.ts";
import { type CallBegin, countsAgainstProjection, type StoreGate } from "./store-gate.ts";

export interface PublishParts {
  readonly ledger: LedgerStore;
  readonly log: Log;
  /** Milliseconds that a projection may take to publish a chunk. */
  readonly publishTimeoutMs: number;
  /** Called with each change that a store refused because it holds a version that the ledger never gave out. */
  readonly onUnproven?: ((store: StoreId, change: MemoryChange) => void) | undefined;
}

/** The state of one projection after a publish. */
export interface StorePublish {
  readonly store: StoreId;
  /** Why the store has none of the changes; null when it answered. */
  readonly failure: MnemosyncError | null;
  /** Memories (key texts) of which the store holds something that the ledger never gave out, each with the reason. */
  readonly unproven: ReadonlyMap<string, string>;
}

/** A store's changes that the backlog has to publish, with one reason. */
export interface PendingWork {
  readonly store: StoreIdentity;
  readonly keys: readonly MemoryKey[];
  readonly reason: string;
}

/** Why a memory is queued for a store of the deployment that this node lacks. */
export const NOT_RUN_HERE = "the node that wrote it does not run this store";

const NOTHING_UNPROVEN: ReadonlyMap<string, string> = new Map();

/** A store that was left out of a publish, since its gate is closed to writes. */
export function leftOut(gate: StoreGate): StorePublish {
  return { store: gate.target.id, failure: gate.refusal(), unproven: NOTHING_UNPROVEN };
}

/** Why a store does not have a change after a publish; null when it has it. */
export function pendingReason({ failure, unproven }: StorePublish, key: MemoryKey): string | null {
  if (failure !== null) return failure.message;
  return unproven.size === 0 ? null : (unproven.get(keyText(key)) ?? null);
}

/** Changes that a publish left undone, for the queue: one entry per reason. */
export function pendingWork(gate: StoreGate, changes: readonly MemoryChange[], publish: StorePublish): PendingWork[] {
  if (publish.failure === null && publish.unproven.size === 0) return []; // Nearly always.
  const byReason = new Map<string, MemoryKey[]>();
  for (const { namespace, memoryId } of changes) {
    const key = { namespace, memoryId };
    const reason = pendingReason(publish, key);
    if (reason !== null) byReason.set(reason, [...(byReason.get(reason) ?? []), key]);
  }
  const store = identityOf(gate.target);
  return [...byReason].map(([reason, keys]) => ({ store, keys, reason }));
}

/** Committed changes that one projection is to show. */
export interface Publishing {
  readonly changes: readonly MemoryChange[];
  readonly transactionId: string;
  /** Of the prepared batch; undefined: the store prepared none. */
  readonly token: string | undefined;
  /** The ledger's epoch when the changes were written. */
  readonly epoch: string | undefined;
  /** By `performance.now()`; a publish long after it is checked against the ledger. */
  readonly committedAt: number;
}

/**
 * Step 3: makes committed changes visible in one projection, by one call. Never rejects: a failed publish is no error of the write.
 * A failure is told to nobody yet: see `tellFailure`.
 */
export async function publishTo(
  parts: PublishParts,
  gate: StoreGate,
  { changes, token, epoch, committedAt }: Publishing,
): Promise<StorePublish> {
  const store = gate.target.id;
  if (changes.length === 0) return { store, failure: null, unproven: NOTHING_UNPROVEN };
  try {
    return await withSharedDeadline(parts.publishTimeoutMs, undefined, async (signal) => {
      const answers = await gate.target.publish(changes, signal, token, epoch);
      gate.succeeded();
      if (performance.now() - committedAt >= LATE_MS) await correctLate(parts, gate, changes, answers, signal);
      const stale = changes.filter((_, index) => answers[index] === "stale");
      if (stale.length === 0) return { store, failure: null, unproven: NOTHING_UNPROVEN };
      const unproven = await judgeStale(parts.ledger, gate.target, stale, signal);
      for (const change of stale) {
        const reason = unproven.get(keyText(change));
        if (reason === undefined) continue;
        const { namespace, memoryId, version } = change;
        parts.log.warn({ store, namespace, memoryId, version, reason }, "write.stale_unproven");
        parts.onUnproven?.(store, change);
      }
      return { store, failure: null, unproven };
    });
  } catch (error) {
    // Whatever went wrong, the changes are committed: the write must not be reported as failed.
    const failure =
      error instanceof MnemosyncError ? error : new InternalError(`publishing failed: ${error}`, { cause: error });
    return { store, failure, unproven: NOTHING_UNPROVEN };
  }
}

/** Counts a publish that has failed for good against its store, and logs it: once per write and store, however often it was tried. */
export function tellFailure(
  { log }: Pick<PublishParts, "log">,
  gate: StoreGate,
  { changes, transactionId }: Pick<Publishing, "changes" | "transactionId">,
  failure: MnemosyncError,
  begun: CallBegin,
): void {
  if (countsAgainstProjection(failure)) gate.failed(failure, begun);
  const { code, message: error } = failure;
  log.warn({ store: gate.target.id, transactionId, memories: changes.length, code, error }, "write.publish_failed");
}

/**
 * Queues changes for the stores that do not have them, and marks the transaction, both or neither. When Postgres does not
 * answer, the transaction stays `committed`, and the backlog takes it over once it is overdue.
 */
export async function confirmPublished(
  parts: PublishParts,
  transactionId: string,
  pending: readonly PendingWork[],
): Promise<void> {
  const { ledger, publishTimeoutMs } = parts;
  try {
    await withSharedDeadline(publishTimeoutMs, undefined, (signal) =>
      pending.length === 0
        ? ledger.markPublished([transactionId], signal)
        : ledger.queuePending(transactionId, pending, signal),
    );
    for (const { store, keys, reason } of pending) {
      // With each write where another node runs the store: the ordinary course of things.
      if (reason === NOT_RUN_HERE) continue;
      parts.log.debug({ store: store.id, transactionId, memories: keys.length, error: reason }, "write.queued");
    }
  } catch (error) {
    parts.log.warn({ transactionId, error: (error as Error).message }, "write.confirm_failed");
  }
}
