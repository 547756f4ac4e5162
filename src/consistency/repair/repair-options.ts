import type { ConflictStrategy } from "../../conflict/strategy.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { Embedder } from "../../embed/embedder.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Log } from "../../runtime/log.ts";
import type { Projection } from "../../stores/projection.ts";
import type { DriftKind, Finding } from "../check/report.ts";
import type { Ending } from "../reconcile/evidence.ts";
import type { ReconcileParts } from "../reconcile/reconcile.ts";

export interface RepairerParts extends ReconcileParts {
  readonly ledger: LedgerStore;
  readonly records: CheckRecords;
  readonly projections: readonly Projection[];
  /** Embeds content anew whose vector is of an older model; null: such memories are left to their owner. */
  readonly embedder: Embedder | null;
  readonly strategies: { get(name: string): ConflictStrategy };
  readonly log: Log;
  /** Called after every run that changed something, or tried to. */
  readonly onRepaired?: ((report: RepairReport) => void) | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface RepairOptions {
  /**
   * Decides where both sides may be right (`ahead`, `diverged`, `orphan`): the name of a registered strategy, or a strategy.
   * @default "latest_wins"
   */
  readonly strategy?: string | ConflictStrategy | undefined;
  /** Findings of other kinds are left alone. @default all */
  readonly kinds?: readonly DriftKind[] | undefined;
  /** Findings of other stores are left alone. @default all */
  readonly stores?: readonly StoreId[] | undefined;
  /** Findings that this run repairs, at most; the rest is deferred. At least 1. @default unlimited */
  readonly repairsMax?: number | undefined;
  /** Only plans: nothing is changed or recorded. @default false */
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** The result for one finding. */
export interface RepairDetail extends MemoryKey {
  readonly store: StoreId;
  readonly kind: DriftKind;
  /** `planned` only in a dry run. */
  readonly outcome: "repaired" | "failed" | "deferred" | "planned";
  /** The repair, or why there was none. */
  readonly note: string;
  /** The strategy that decided; null where the ledger is right by rule. */
  readonly strategy: string | null;
}

export interface RepairReport {
  readonly repaired: number;
  readonly failed: number;
  /** Left for a later run: the memory changed, a store did not answer, the cap was reached, or a decision is awaited. */
  readonly deferred: number;
  /** Findings that would be repaired; only in a dry run. */
  readonly planned: number;
  /** Memory id → whether all its findings are repaired. Ids of several namespaces share an entry. */
  readonly results: Readonly<Record<string, boolean>>;
  readonly details: readonly RepairDetail[];
}

export type Verdict = Pick<RepairDetail, "outcome" | "note"> & { readonly strategy?: string };

export interface RepairStep {
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

export type Verdicts = Map<Finding, Verdict>;

/** How the evidence of a repair ends. */
export function endingOf({ outcome, note }: Verdict): Ending {
  return { state: outcome === "repaired" ? "resolved" : "failed", resolution: note };
}

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
