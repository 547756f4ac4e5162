import type { ConflictStrategy } from "../../conflict/strategy.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Log } from "../../runtime/log.ts";
import type { Projection } from "../../stores/projection.ts";
import type { Checker } from "../check/checker.ts";
import type { Pace } from "../check/pace.ts";
import type { DriftKind, Finding } from "../check/report.ts";
import type { RepairReport } from "../repair/repair-options.ts";
import type { Repairer } from "../repair/repairer.ts";
import { refill } from "./refill.ts";

export interface WatchParts {
  readonly ledger: Pick<LedgerStore, "listChanges">;
  /** For filling a store. Its owner ends it. */
  readonly pace: () => Pace;
  readonly checker: Pick<Checker, "run" | "sweep">;
  readonly repairer: Pick<Repairer, "run">;
  readonly records: CheckRecords;
  readonly projections: readonly Projection[];
  /** Whether this node looks at the stores that all nodes share. */
  readonly isLeader: () => boolean;
  readonly log: Log;
  /** Milliseconds between passes. */
  readonly intervalMs: number;
  /** Milliseconds in which the sweep comes round. */
  readonly sweepMs: number;
  /** Findings of other kinds are reported and left alone. */
  readonly repairKinds: readonly DriftKind[];
  readonly strategy: string | ConflictStrategy;
  readonly repairsMax: number;
  /** Told how many memories a store was given that had lost everything. */
  readonly onRefilled?: (store: StoreId, memories: number) => void;
}

/** What one pass came to. */
export interface WatchPass {
  readonly leader: boolean;
  /** Memories that were compared. */
  readonly checked: number;
  readonly findings: number;
  readonly repair: RepairReport | null;
}

/**
 * The consistency loop's pass: what changed since the last one, a slice of the rolling sweep over everything, and the
 * repair of what was found. The leader looks at all stores, other nodes at their own vector index. When a shared store
 * began anew (emptied, or restarted without its data), it is filled and everything is compared at once.
 */
export class ConsistencyWatch {
  readonly #parts: WatchParts;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  async runOnce(signal: AbortSignal): Promise<WatchPass> {
    const { checker, projections, isLeader, sweepMs, intervalMs } = this.#parts;
    const leader = isLeader();
    const own: StoreId[] = projections.some(({ id: store }) => store === "faiss") ? ["faiss"] : [];
    if (!leader && own.length === 0) return { leader, checked: 0, findings: 0, repair: null };
    const scope = leader ? {} : { stores: own };
    const findings = new Map<string, Finding>();
    const take = (found: readonly Finding[]): void => {
      for (const finding of found) {
        findings.set(`${finding.store}\u0000${finding.namespace}\u0000${finding.memoryId}`, finding);
      }
    };
    let checked = 0;
    if (leader) checked += await this.#afterLoss(take, signal);
    const quick = await checker.run({ ...scope, scope: "quick", signal });
    take(quick.findings);
    const slice = await checker.sweep({ ...scope, share: Math.min(1, intervalMs / sweepMs), signal });
    take(slice.findings);
    checked += quick.checked + slice.checked;
    const repair = await this.#repair([...findings.values()], slice.roundEnded, signal);
    return { leader, checked, findings: findings.size, repair };
  }

  /** Compares everything when a store's contents began anew since the last time. @returns memories compared. */
  async #afterLoss(take: (findings: readonly Finding[]) => void, signal: AbortSignal): Promise<number> {
    const { checker, records, projections, log } = this.#parts;
    let checked = 0;
    for (const projection of projections) {
      if (projection.generation === undefined) continue;
      // Where everything may be evicted, so may the name.
      if ((await projection.eviction?.(signal)) === "all") continue;
      const generation = await projection.generation(signal);
      const name = `generation:${projection.id}`;
      const known = await records.readMeta(name, signal);
      if (known === generation) continue;
      if (known !== null) {
        log.warn({ store: projection.id }, "check.store_began_anew");
        await this.#refill(projection, signal);
      }
      const report = await checker.run({ scope: "full", stores: ["postgres", projection.id], signal });
      take(report.findings);
      checked += report.checked;
      await records.writeMeta(name, generation, signal);
    }
    return checked;
  }

  /** Before the check that proves it: without it each memory would be found missing, one by one, and repaired. */
  async #refill(projection: Projection, signal: AbortSignal): Promise<void> {
    const { ledger, repairKinds, onRefilled, log } = this.#parts;
    if (!repairKinds.includes("missing")) return;
    const pace = this.#parts.pace();
    try {
      const memories = await refill(ledger, projection, pace, signal);
      onRefilled?.(projection.id, memories);
      log.info({ store: projection.id, memories }, "repair.store_refilled");
    } finally {
      pace.end();
    }
  }

  async #repair(findings: readonly Finding[], always: boolean, signal: AbortSignal): Promise<RepairReport | null> {
    const { repairer, repairKinds, strategy, repairsMax, log } = this.#parts;
    const wanted = findings.filter(({ kind }) => repairKinds.includes(kind));
    // Without findings too, now and then: it settles what an interrupted repair left open.
    if (wanted.length === 0 && !always) return null;
    const report = await repairer.run({ findings: wanted }, { strategy, repairsMax, signal });
    const { repaired, failed, deferred } = report;
    if (wanted.length > 0) log.info({ repaired, failed, deferred }, "repair.finished");
    return report;
  }
}
