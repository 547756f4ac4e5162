import type { ConflictStrategy } from "../../conflict/strategy.ts";
import { keyText } from "../../domain/keys.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
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
  readonly ledger: Pick<LedgerStore, "listChanges" | "markStoreFilled">;
  /** For filling a store. The caller ends it. */
  readonly pace: () => Pace;
  readonly checker: Pick<Checker, "run" | "sweep">;
  readonly repairer: Pick<Repairer, "run">;
  readonly records: CheckRecords;
  readonly projections: readonly Projection[];
  /** Shared stores that were registered and are not filled yet. @default none */
  readonly unfilled?: (signal: AbortSignal) => Promise<ReadonlySet<StoreId>>;
  /** Whether this node checks the stores that all nodes share. */
  readonly isLeader: () => boolean;
  readonly log: Log;
  /** Milliseconds between passes. */
  readonly intervalMs: number;
  /** Milliseconds of one round of the sweep. */
  readonly sweepMs: number;
  /** Findings of other kinds are reported, and not repaired. */
  readonly repairKinds: readonly DriftKind[];
  readonly strategy: string | ConflictStrategy;
  readonly repairsMax: number;
  /** Called with the number of memories that an empty store was given. */
  readonly onRefilled?: (store: StoreId, memories: number) => void;
}

/** The result of one pass. */
export interface WatchPass {
  readonly leader: boolean;
  /** Memories that were compared. */
  readonly checked: number;
  readonly findings: number;
  readonly repair: RepairReport | null;
}

/**
 * The consistency loop's pass: a check of what changed since the last pass, a slice of the rolling sweep over everything,
 * and the repair of the findings. The leader checks all stores, other nodes check the stores of their own (`scope:
 * "node"`). A shared store that began anew (emptied, or restarted without its data) is filled, and then compared as a
 * whole at once; one that was registered anew is filled before any check looks at it.
 */
export class ConsistencyWatch {
  readonly #parts: WatchParts;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  async runOnce(signal: AbortSignal): Promise<WatchPass> {
    const { checker, projections, isLeader, sweepMs, intervalMs } = this.#parts;
    const leader = isLeader();
    const own = projections.filter(({ traits }) => traits.scope === "node").map(({ id }) => id);
    if (!leader && own.length === 0) return { leader, checked: 0, findings: 0, repair: null };
    const scope = leader ? {} : { stores: own };
    const findings = new Map<string, Finding>();
    const take = (found: readonly Finding[]): void => {
      for (const finding of found) findings.set(`${finding.store}\u0000${keyText(finding)}`, finding);
    };
    let checked = 0;
    if (leader) {
      await this.#fillNew(signal);
      checked += await this.#afterLoss(take, signal);
    }
    const quick = await checker.run({ ...scope, scope: "quick", signal });
    take(quick.findings);
    const slice = await checker.sweep({ ...scope, share: Math.min(1, intervalMs / sweepMs), signal });
    take(slice.findings);
    checked += quick.checked + slice.checked;
    const repair = await this.#repair([...findings.values()], slice.roundEnded, signal);
    return { leader, checked, findings: findings.size, repair };
  }

  /** Fills shared stores that were registered since memories were written. A pass that fails leaves it to the next one. */
  async #fillNew(signal: AbortSignal): Promise<void> {
    const { ledger, projections, unfilled } = this.#parts;
    const ids = await unfilled?.(signal);
    const unfilledHere = projections.filter(({ id, traits }) => traits.scope === "shared" && ids?.has(id));
    for (const projection of unfilledHere) {
      await this.#refill(projection, signal);
      await ledger.markStoreFilled(projection.id, signal);
    }
  }

  /** Compares a shared store as a whole when its contents began anew since the last pass. @returns memories compared. */
  async #afterLoss(take: (findings: readonly Finding[]) => void, signal: AbortSignal): Promise<number> {
    const { checker, records, projections, log, repairKinds } = this.#parts;
    let checked = 0;
    for (const projection of projections) {
      if (projection.generation === undefined || projection.traits.scope === "node") continue;
      // Where every entry may be evicted, so may the generation's.
      if ((await projection.eviction?.(signal)) === "all") continue;
      const generation = await projection.generation(signal);
      const name = `generation:${projection.id}`;
      const known = await records.readMeta(name, signal);
      if (known === generation) continue;
      if (known !== null) {
        log.warn({ store: projection.id }, "check.store_began_anew");
        // Before the check that proves it: otherwise each memory would be found missing, and repaired one by one.
        if (repairKinds.includes("missing")) await this.#refill(projection, signal);
      }
      const report = await checker.run({ scope: "full", stores: [LEDGER_ID, projection.id], signal });
      take(report.findings);
      checked += report.checked;
      await records.writeMeta(name, generation, signal);
    }
    return checked;
  }

  async #refill(projection: Projection, signal: AbortSignal): Promise<void> {
    const { ledger, onRefilled, log } = this.#parts;
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
    // After a round even without findings: it settles records that an interrupted repair left pending.
    if (wanted.length === 0 && !always) return null;
    const report = await repairer.run({ findings: wanted }, { strategy, repairsMax, signal });
    const { repaired, failed, deferred } = report;
    if (wanted.length > 0) log.info({ repaired, failed, deferred }, "repair.finished");
    return report;
  }
}
