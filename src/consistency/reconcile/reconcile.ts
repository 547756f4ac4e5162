import PQueue from "p-queue";
import { decide } from "../../conflict/decide.ts";
import type { Conflict, ConflictStrategy, Resolution } from "../../conflict/strategy.ts";
import { InternalError, type MnemosyncError } from "../../domain/errors.ts";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import { type EncodedMemory, encodeMemory, type MemoryChange } from "../../domain/memory.ts";
import type { MemoryValidator } from "../../domain/schema.ts";
import { IMPORT_ID, LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import { joinVectors } from "../../domain/version-vector.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { EvidenceRecord } from "../../ledger/conflict-statements.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { SyncOutcome } from "../../write/outcome.ts";
import type { WriteIntent } from "../../write/plan.ts";
import { baseOf, ledgerCandidate, type RemoteSide } from "./candidates.ts";
import { type Ending, type EvidenceStamp, withEvidence } from "./evidence.ts";

export interface ReconcileParts {
  readonly ledger: Pick<LedgerStore, "readHistory" | "readErasedKeys">;
  readonly records: Pick<CheckRecords, "keepEvidence" | "settleEvidence">;
  /** Projections in the order of registration, which is the order of precedence. */
  readonly projections: readonly { readonly id: StoreId }[];
  readonly validator: MemoryValidator;
  /** Writes one intent as part of some chunk. */
  readonly write: (intent: WriteIntent, signal: AbortSignal) => Promise<SyncOutcome>;
  /** Milliseconds that a strategy may take for one conflict. */
  readonly strategyTimeoutMs: number;
}

/** Contents of a memory that came from outside of the write path (stores, a file, an edge), against the ledger's. */
export interface RemoteWrite {
  readonly key: MemoryKey;
  readonly kind: Conflict["kind"];
  /** The ledger's side, as it was read; null: it does not know the memory. */
  readonly change: MemoryChange | null;
  /** At least one, and at most one per source. */
  readonly sides: readonly RemoteSide[];
  /** Records of both sides, by source; of sources without a content of their own too, where a winner overwrites them. */
  readonly evidence: (stamp: EvidenceStamp) => readonly EvidenceRecord[];
  /** The record is the only copy of the other side, so it stays pending after a failed write. @default false */
  readonly isLastCopy?: boolean;
}

/**
 * - `ledger`: the ledger's content stays, or the memory is to be removed everywhere. Nothing was done: the caller makes
 *   the other side follow.
 * - `pending`: awaits a decision under these ids; a dry run records nothing.
 * - `written`: a content won, and is a version of the ledger now.
 * - `moved`: the ledger is not at the version that was read any more; nothing was written.
 * - `failed`: it could not be written.
 * - `planned`: a dry run would have written it.
 */
export type Reconciled =
  | { readonly end: "ledger"; readonly action: Action; readonly note: string }
  | { readonly end: "pending"; readonly ids: readonly string[]; readonly because: string }
  | { readonly end: "written"; readonly action: Action; readonly outcome: SyncOutcome; readonly note: string }
  | { readonly end: "moved"; readonly note: string }
  | { readonly end: "failed"; readonly error: MnemosyncError }
  | { readonly end: "planned"; readonly note: string };

type Action = Resolution["action"];

/** Conflicts that a strategy decides concurrently: a strategy may wait for a remote service. */
const DECIDING_MAX = 8;
/** Versions of the history that are searched for the base. */
const HISTORY_MAX = 50;

/** A content that takes the ledger's place as a new version. */
interface Winner {
  readonly remote: RemoteWrite;
  readonly action: Action;
  readonly memory: EncodedMemory | null;
  readonly modifiedAt: number | null;
  readonly note: string;
}

/**
 * The only path by which content from outside of the write path enters the ledger. The strategy decides, both sides are
 * recorded, and the winner is written as a new version if the ledger is still at the compared version. No content is lost,
 * and no version is assigned twice.
 */
export async function reconcile(
  parts: ReconcileParts,
  remotes: readonly RemoteWrite[],
  strategy: ConflictStrategy,
  { dryRun = false, signal }: { readonly dryRun?: boolean; readonly signal: AbortSignal },
): Promise<ReadonlyMap<RemoteWrite, Reconciled>> {
  const results = new Map<RemoteWrite, Reconciled>();
  const winners: Winner[] = [];
  const pending: { readonly remote: RemoteWrite; readonly because: string }[] = [];
  const erased = await parts.ledger.readErasedKeys(
    remotes.map(({ key }) => key),
    signal,
  );
  const isErased = (key: MemoryKey): boolean => erased.some((other) => keyText(other) === keyText(key));
  for (const remote of remotes) {
    if (isErased(remote.key)) results.set(remote, { end: "ledger", action: "remove", note: "the memory was erased" });
  }
  const queue = new PQueue({ concurrency: DECIDING_MAX });
  const decisions = await queue.addAll(
    remotes
      .filter((remote) => !results.has(remote)) // No strategy may bring back what was erased, nor ask about it.
      .map((remote) => async () => ({ remote, resolution: await ask(parts, remote, strategy, signal) })),
  );
  for (const { remote, resolution } of decisions) {
    const { action, note } = resolution;
    if (action === "pending") pending.push({ remote, because: note ?? "it awaits a decision" });
    else if (action === "remove") results.set(remote, { end: "ledger", action, note: note ?? "no content is kept" });
    else if (action === "choose" && resolution.store === LEDGER_ID) {
      results.set(remote, { end: "ledger", action, note: note ?? "the ledger's content stays" });
    } else winners.push(winnerOf(remote, resolution));
  }
  if (dryRun) {
    for (const { remote, because } of pending) results.set(remote, { end: "pending", ids: [], because });
    for (const { remote, note } of winners) results.set(remote, { end: "planned", note });
    return results;
  }
  for (const { remote, because } of pending) {
    const records = remote.evidence({ strategy: strategy.name, pendingBecause: because });
    const decidable = records.filter(({ store }) => remote.sides.some(({ candidate }) => candidate.store === store));
    results.set(remote, { end: "pending", ids: await parts.records.keepEvidence(decidable, signal), because });
  }
  const stamp = { strategy: strategy.name, pendingBecause: null };
  const written = await withEvidence(
    parts.records,
    winners.map((winner) => ({ item: winner, evidence: winner.remote.evidence(stamp) })),
    async (items) => {
      const answers = items.map(async (item) => [item, await writeWinner(parts, item, signal)] as const);
      return new Map(await Promise.all(answers));
    },
    endingOf,
    signal,
  );
  for (const [{ remote }, result] of written) results.set(remote, result);
  return results;
}

async function ask(
  { ledger, projections, validator, strategyTimeoutMs: timeoutMs }: ReconcileParts,
  { key, kind, change, sides }: RemoteWrite,
  strategy: ConflictStrategy,
  signal: AbortSignal,
): Promise<Resolution> {
  const history = change === null ? [] : await ledger.readHistory(key, HISTORY_MAX, signal);
  const own = ledgerCandidate(change, history[0]?.versionVector ?? null);
  const candidates = [...(own === null ? [] : [own]), ...sides.map(({ candidate }) => candidate)];
  const precedence = [LEDGER_ID, ...projections.map(({ id }) => id), IMPORT_ID];
  const conflict = { ...key, kind, base: baseOf(candidates, history), candidates, precedence };
  return await decide(strategy, conflict, { timeoutMs, signal, validator });
}

function winnerOf(remote: RemoteWrite, resolution: Extract<Resolution, { action: "choose" | "write" }>): Winner {
  if (resolution.action === "write") {
    const memory = encodeMemory(remote.key, resolution.document, resolution.embedding);
    return { remote, action: "write", memory, modifiedAt: null, note: resolution.note ?? "a new content won" };
  }
  const { store, note = `the content of ${store} won` } = resolution;
  const chosen = remote.sides.find(({ candidate }) => candidate.store === store) as RemoteSide; // `decide` checked it.
  return { remote, action: "choose", memory: chosen.memory, modifiedAt: chosen.modifiedAt, note };
}

async function writeWinner({ write }: ReconcileParts, winner: Winner, signal: AbortSignal): Promise<Reconciled> {
  const { remote, action, memory, modifiedAt, note } = winner;
  // It takes the place of every side, so it includes the writes of all of them.
  const vectors = remote.sides.map(({ candidate }) => candidate.versionVector).filter((vector) => vector !== null);
  const includes = vectors.length === 0 ? undefined : vectors.reduce((joined, vector) => joinVectors(joined, vector));
  const intent: WriteIntent = {
    key: remote.key,
    memory,
    // Damage in the ledger is replaced by the winner; its version is still the one that was compared.
    expectedVersion: remote.change?.version ?? 0,
    modifiedAt,
    ...(includes !== undefined && { includes }),
  };
  const outcome = await write(intent, signal);
  const { status, version, error } = outcome;
  if (status === "conflict") return { end: "moved", note: error?.message ?? "the memory was written meanwhile" };
  if (status === "failed")
    return { end: "failed", error: error ?? new InternalError("a write failed without a reason") };
  return { end: "written", action, outcome, note: `${note}; it is version ${version} of the ledger now` };
}

function endingOf(result: Reconciled, { remote }: Winner): Ending | null {
  if (result.end === "written") return { state: "resolved", resolution: result.note };
  if (result.end === "moved") return { state: "failed", resolution: result.note };
  if (result.end !== "failed" || remote.isLastCopy) return null;
  return { state: "failed", resolution: result.error.message };
}
