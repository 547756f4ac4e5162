import type { ConflictStrategy } from "../../conflict/strategy.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { IndexShape, MemoryValidator } from "../../domain/schema.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { Embedder } from "../../embed/embedder.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Log } from "../../runtime/log.ts";
import type { Projection } from "../../stores/projection.ts";
import type { SyncOutcome } from "../../write/outcome.ts";
import type { WriteIntent } from "../../write/plan.ts";
import type { DriftKind, Finding } from "../check/report.ts";

export interface RepairerParts {
  readonly ledger: LedgerStore;
  readonly records: CheckRecords;
  readonly projections: readonly Projection[];
  readonly validator: MemoryValidator;
  readonly indexShape: IndexShape;
  /** Embeds anew what an older model embedded; null: such memories are left to their owner. */
  readonly embedder: Embedder | null;
  /** Writes one intent as part of some chunk: a content that wins over the ledger's becomes a new version of it. */
  readonly write: (intent: WriteIntent, signal: AbortSignal) => Promise<SyncOutcome>;
  readonly strategies: { get(name: string): ConflictStrategy };
  /** Milliseconds that a strategy may take for one conflict. */
  readonly strategyTimeoutMs: number;
  readonly log: Log;
  /** Told of every run that changed something, or tried to. */
  readonly onRepaired?: ((report: RepairReport) => void) | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface RepairOptions {
  /**
   * Who decides where both sides may be right (`ahead`, `diverged`, `orphan`): a registered name, or a strategy itself.
   * @default "latest_wins"
   */
  readonly strategy?: string | ConflictStrategy;
  /** Findings of other kinds are left alone. @default all */
  readonly kinds?: readonly DriftKind[];
  /** Findings of other stores are left alone. @default all */
  readonly stores?: readonly StoreId[];
  /** Findings that are dealt with in this run, at most; the rest is deferred. At least 1. @default unlimited */
  readonly repairsMax?: number;
  /** Only says what would be done: nothing is changed and nothing kept. @default false */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { done: number; total: number }) => void;
}

/** What became of one finding. */
export interface RepairDetail extends MemoryKey {
  readonly store: StoreId;
  readonly kind: DriftKind;
  /** `planned` only in a dry run. */
  readonly outcome: "repaired" | "failed" | "deferred" | "planned";
  /** What was done, or why it could not be. */
  readonly note: string;
  /** Who decided; null where the ledger is right by rule. */
  readonly strategy: string | null;
}

export interface RepairReport {
  readonly repaired: number;
  readonly failed: number;
  /** Left for a later run: the ground moved, a store did not answer, the cap was reached, or somebody has to decide. */
  readonly deferred: number;
  /** Findings that would be repaired; only in a dry run. */
  readonly planned: number;
  /** Memory id → whether all its findings are repaired. Ids of several namespaces share an entry. */
  readonly results: Readonly<Record<string, boolean>>;
  readonly details: readonly RepairDetail[];
}

export type Verdict = Pick<RepairDetail, "outcome" | "note"> & { readonly strategy?: string };

/** One step of a repair, known by the findings it deals with. */
export interface RepairStep {
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

export type Verdicts = Map<Finding, Verdict>;

export function repaired(note: string, strategy?: string): Verdict {
  return { outcome: "repaired", note, ...(strategy !== undefined && { strategy }) };
}

export function deferred(note: string, strategy?: string): Verdict {
  return { outcome: "deferred", note, ...(strategy !== undefined && { strategy }) };
}

export function failed(note: string, strategy?: string): Verdict {
  return { outcome: "failed", note, ...(strategy !== undefined && { strategy }) };
}

export function planned(note: string, strategy?: string): Verdict {
  return { outcome: "planned", note, ...(strategy !== undefined && { strategy }) };
}
