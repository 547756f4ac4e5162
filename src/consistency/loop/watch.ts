import type { ConflictStrategy } from "../../conflict/strategy.ts";
import { keyText } from "../../domain/keys.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Log } from "../../runtime/log.ts";
import type { Projection, StoreStanding } from "../../stores/projection.ts";
import type { StoreStandings } from "../../write/store-standings.ts";
import type { Checker } from "../check/checker.ts";
import type { Pace } from "../check/pace.ts";
import type { DriftKind, Finding } from "../check/report.ts";
import type { RepairDetail, RepairReport } from "../repair/repair-options.ts";
import type { Repairer } from "../repair/repairer.ts";
import { refill } from "./refill.ts";

export interface WatchParts {
  readonly ledger: Pick<LedgerStore, "listChanges" | "markStoreFilled">;
  /** Pace of a fill. The caller stops it. */
  readonly pace: () => Pace;
  readonly checker: Pick<Checker, "run" | "sweep">;
  readonly repairer: Pick<Repairer, "run">;
  readonly records: CheckRecords;
  readonly projections: readonly Projection[];
  /** Shared stores that are registered and not filled yet. @default none */
  readonly unfilled?: (signal: AbortSignal) => Promise<ReadonlySet<StoreId>>;
  /** Tracks shared stores that may have gone back. @default no store can tell */
  readonly standings?: Pick<
    StoreStandings,
    "refresh" | "standingOf" | "confirm" | "verdictOf" | "isConfirmed" | "foreign"
  >;
  /** Whether this node checks the stores that all nodes share. */
  readonly isLeader: () => boolean;
  readonly log: Log;
  /** Milliseconds between passes. */
  readonly intervalMs: number;
  /** Duration of one round of the sweep in milliseconds. */
  readonly sweepMs: number;
  /** Kinds to repair. Findings of other kinds are only reported. */
  readonly repairKinds: readonly DriftKind[];
  readonly strategy: string | ConflictStrategy;
  readonly repairsMax: number;
  /** Called with the findings of each slice of the sweep. */
  readonly onSwept?: (findings: readonly Finding[]) => void;
  /** Called with the number of memories published to an empty store. */
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

/** A shared store that was compared, and differed. */
interface ComparedStore {
  readonly projection: Projection;
  readonly standing: StoreStanding;
  readonly checked: number;
  readonly findings: number;
}

/**
 * One pass of the consistency loop: a check of the changes since the last pass, a slice of the rolling sweep, and the
 * repair of the findings. The leader checks all stores; other nodes check their own stores (`scope: "node"`). A shared
 * store that lost its contents (emptied, or restarted without its data) is filled and then compared completely at once. A
 * newly registered store is filled before the first check.
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
    if (leader) await this.#refreshStandings(signal);
    const foreign = this.#parts.standings?.foreign ?? [];
    const usable = projections.map(({ id }) => id).filter((id) => !foreign.includes(id));
    const scope = !leader ? { stores: own } : foreign.length === 0 ? {} : { stores: [LEDGER_ID, ...usable] };
    const findings = new Map<string, Finding>();
    const take = (found: readonly Finding[]): void => {
      for (const finding of found) findings.set(`${finding.store}\u0000${keyText(finding)}`, finding);
    };
    let checked = 0;
    const compared: ComparedStore[] = [];
    if (leader) {
      await this.#fillNew(signal);
      checked += await this.#afterLoss(take, signal);
      for (const store of await this.#compareDoubted(take, signal)) {
        compared.push(store);
        checked += store.checked;
      }
    }
    const quick = await checker.run({ ...scope, scope: "quick", signal });
    take(quick.findings);
    const slice = await checker.sweep({ ...scope, share: Math.min(1, intervalMs / sweepMs), signal });
    take(slice.findings);
    this.#parts.onSwept?.(slice.findings);
    checked += quick.checked + slice.checked;
    const repair = await this.#repair([...findings.values()], slice.roundEnded, signal);
    await this.#confirm(compared, repair, signal);
    return { leader, checked, findings: findings.size, repair };
  }

  /** Fills newly registered shared stores. After a failed pass the next one retries. */
  async #fillNew(signal: AbortSignal): Promise<void> {
    const { ledger, projections, unfilled } = this.#parts;
    const ids = await unfilled?.(signal);
    const unfilledHere = projections.filter(({ id, traits }) => traits.scope === "shared" && ids?.has(id));
    for (const projection of unfilledHere) {
      await this.#refill(projection, signal);
      await ledger.markStoreFilled(projection.id, signal);
    }
  }

  /** An unavailable store keeps its last known standing: checks of it fail, and the next pass asks again. */
  async #refreshStandings(signal: AbortSignal): Promise<void> {
    const { standings, log } = this.#parts;
    try {
      await standings?.refresh(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      log.debug({ error: (error as Error).message }, "store.standing_unknown");
    }
  }

  /** Compares completely the shared stores that may have gone back or were never compared. The others get a new mark. */
  async #compareDoubted(take: (findings: readonly Finding[]) => void, signal: AbortSignal): Promise<ComparedStore[]> {
    const { checker, projections, standings, repairKinds } = this.#parts;
    const compared: ComparedStore[] = [];
    for (const projection of projections) {
      const verdict = standings?.verdictOf(projection.id) ?? null;
      if (standings === undefined || verdict === null || verdict.state === "foreign") continue;
      const standing = await standings.standingOf(projection, signal);
      if (standing === null) continue;
      if (standings.isConfirmed(projection.id)) {
        await standings.confirm(projection, standing, signal);
        continue;
      }
      // Before the check that proves it: otherwise each memory would be found missing, and repaired one by one.
      const emptied = verdict.state === "doubted" && verdict.doubt === "emptied";
      const refills = emptied && repairKinds.includes("missing") && (await projection.eviction?.(signal)) !== "all";
      if (refills) await this.#refill(projection, signal);
      let isProven = true;
      const report = await checker.run({
        scope: "full",
        stores: [LEDGER_ID, projection.id],
        resume: false,
        signal,
        onUnproven: () => {
          isProven = false;
        },
      });
      take(report.findings);
      // A clean check has confirmed it, unless something on its way was not proven: then the next pass compares it again.
      const { findings, checked } = report;
      if (findings.length > 0 && isProven) compared.push({ projection, standing, checked, findings: findings.length });
    }
    return compared;
  }

  /** Reads may use a compared and repaired store again; the next pass compares unrepaired findings again. */
  async #confirm(compared: readonly ComparedStore[], repair: RepairReport | null, signal: AbortSignal): Promise<void> {
    const { standings, repairsMax, repairKinds } = this.#parts;
    for (const { projection, standing } of compared) {
      const details = repair?.details.filter(({ store }) => store === projection.id) ?? [];
      const isDone = details.length <= repairsMax && (await this.#areDone(details, signal));
      // No repair ran: `repairKinds` leaves these findings to a person.
      if (isDone || repairKinds.length === 0) await standings?.confirm(projection, standing, signal);
    }
  }

  /** Whether each finding was repaired, or awaits the decision of a person: a deferred repair left the store as it was. */
  async #areDone(details: readonly RepairDetail[], signal: AbortSignal): Promise<boolean> {
    for (const { outcome, namespace, memoryId } of details) {
      if (outcome === "repaired") continue;
      if (outcome === "failed") return false;
      const filter = { state: "pending" as const, waiting: true, namespace, memoryId, limit: 1 };
      if ((await this.#parts.records.listConflicts(filter, signal)).length === 0) return false;
    }
    return true;
  }

  /** Compares a shared store completely when its generation changed since the last pass. @returns memories compared. */
  async #afterLoss(take: (findings: readonly Finding[]) => void, signal: AbortSignal): Promise<number> {
    const { checker, records, projections, log, repairKinds } = this.#parts;
    let checked = 0;
    for (const projection of projections) {
      if (projection.generation === undefined || projection.traits.scope === "node") continue;
      if (projection.standing !== undefined) continue; // `standing` is more precise than `generation`.
      // A store that may evict any entry may evict the generation's key too.
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
