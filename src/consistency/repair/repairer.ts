import { DEFAULT_STRATEGY } from "../../conflict/registry.ts";
import type { ConflictStrategy } from "../../conflict/strategy.ts";
import { InternalError, MnemosyncError, ValidationError } from "../../domain/errors.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import { CONFLICT_KINDS, type ConsistencyReport, DRIFT_KINDS, type DriftKind, type Finding } from "../check/report.ts";
import { embedAnew } from "./embed-anew.ts";
import { settleInterrupted } from "./interrupted.ts";
import { mendLedger } from "./mend-ledger.ts";
import {
  deferred,
  failed,
  type RepairDetail,
  type RepairerParts,
  type RepairOptions,
  type RepairReport,
  type RepairStep,
  type Verdict,
  type Verdicts,
} from "./repair-options.ts";
import { republish } from "./republish.ts";
import { resolveConflicts } from "./resolve-conflicts.ts";

/**
 * Findings that are repaired at a time, and how many of such batches of a kind run beside each other. A batch has five calls that wait
 * for one another: with two batches at a time both cores of a small machine stood still for half of the time.
 */
const BATCH_SIZE = 250;
const CONCURRENCY = 4;
/** Findings that are forgotten by one statement, which may read all findings of all checks. */
const FORGOTTEN_AT_ONCE = 5_000;

/** The repair of findings of one sort, in batches. */
interface Task {
  readonly findings: readonly Finding[];
  readonly work: (batch: readonly Finding[]) => Promise<Verdicts>;
}

/**
 * Repairs findings: records the evidence, changes what is proven to be wrong, provided that it is still as it was found,
 * and reads it back. A repair counts when the store then agrees.
 */
export class Repairer {
  readonly #parts: RepairerParts;

  constructor(parts: RepairerParts) {
    this.#parts = parts;
  }

  /** @throws {ConfigurationError} The strategy is unknown. @throws {ValidationError} An option is out of bounds. */
  async run(report: Pick<ConsistencyReport, "findings">, options: RepairOptions = {}): Promise<RepairReport> {
    const { signal = new AbortController().signal, dryRun = false, onProgress } = options;
    checkOptions(options);
    this.#checkStores(options.stores, report.findings);
    const strategy = this.#strategy(options.strategy ?? DEFAULT_STRATEGY);
    const step: RepairStep = { dryRun, signal };
    const kinds = new Set<DriftKind>(options.kinds ?? DRIFT_KINDS);
    const isWanted = (store: StoreId): boolean => options.stores?.includes(store) ?? true;
    const wanted = report.findings.filter(({ kind, store }) => kinds.has(kind) && isWanted(store));
    const findings = wanted.slice(0, options.repairsMax);
    const interrupted = dryRun ? 0 : await settleInterrupted(this.#parts, signal);
    const verdicts: Verdicts = new Map();
    for (const finding of wanted.slice(findings.length)) {
      verdicts.set(finding, deferred(`over the ${findings.length} that one run may repair: run it again`));
    }
    // The ledger first, since later stages publish from it; then the repairs that may change it.
    for (const tasks of this.#stages(findings, strategy, step)) {
      await Promise.all(
        tasks.map((task) =>
          inBatches(task, signal, async (batch) => {
            for (const [finding, verdict] of await this.#guarded(task, batch, step)) verdicts.set(finding, verdict);
            onProgress?.({ done: verdicts.size, total: wanted.length });
          }),
        ),
      );
    }
    const details = wanted.map((finding) => detail(finding, verdicts.get(finding)));
    const summary = summarize(details);
    if (dryRun) return summary;
    // Records of an interrupted run, under an earlier version of the ledger, end with the repairs of this run.
    if (interrupted > 0) await settleInterrupted(this.#parts, signal);
    await this.#forget(details, signal);
    this.#parts.onRepaired?.(summary);
    return summary;
  }

  #strategy(strategy: string | ConflictStrategy): ConflictStrategy {
    return typeof strategy === "string" ? this.#parts.strategies.get(strategy) : strategy;
  }

  #stages(findings: readonly Finding[], strategy: ConflictStrategy, step: RepairStep): Task[][] {
    const parts = this.#parts;
    const ofLedger = findings.filter(({ store }) => store === LEDGER_ID);
    const ofCopies = findings.filter(({ store }) => store !== LEDGER_ID);
    const conflicts = ofCopies.filter(({ kind }) => CONFLICT_KINDS.has(kind));
    // All conflicts of one memory go into one batch, since they are one decision.
    const byMemory = conflicts.toSorted(
      (a, b) => compareText(a.namespace, b.namespace) || compareText(a.memoryId, b.memoryId),
    );
    const copies = parts.projections.map((projection) => {
      const own = ofCopies.filter(({ store, kind }) => store === projection.id && !CONFLICT_KINDS.has(kind));
      return {
        projection,
        foreign: own.filter(({ kind }) => kind === "foreign"),
        plain: own.filter(({ kind }) => kind !== "foreign"),
      };
    });
    return [
      [{ findings: ofLedger, work: (batch) => mendLedger(parts, batch, step) }],
      [
        { findings: byMemory, work: (batch) => resolveConflicts(parts, batch, strategy, step) },
        ...copies.map(
          ({ projection, foreign }): Task => ({
            findings: foreign,
            work: (batch) => embedAnew(parts, projection, batch, step),
          }),
        ),
      ],
      copies.map(({ projection, plain }) => ({
        findings: plain,
        work: (batch) => republish(parts, projection, batch, step),
      })),
    ];
  }

  /** Without this check a misspelled id would silently repair nothing. */
  #checkStores(stores: readonly StoreId[] | undefined, findings: readonly Finding[]): void {
    const known = [LEDGER_ID, ...this.#parts.projections.map(({ id }) => id)];
    const unknown = stores?.find((store) => !known.includes(store) && !findings.some((found) => found.store === store));
    if (unknown !== undefined)
      throw new ValidationError("stores", `${JSON.stringify(unknown)} is none of ${known.join(", ")}`);
  }

  /** A batch that fails is reported as such; the others go on. */
  async #guarded(task: Task, batch: readonly Finding[], step: RepairStep): Promise<Verdicts> {
    try {
      return await task.work(batch);
    } catch (error) {
      if (step.signal.aborted) throw error;
      const reason = error instanceof MnemosyncError ? error : new InternalError(String(error), { cause: error });
      const [first] = batch;
      this.#parts.log.warn(
        { store: first?.store, findings: batch.length, error: reason.message },
        "repair.batch_failed",
      );
      const verdict = reason.retryable ? deferred(reason.message) : failed(reason.message);
      return new Map(batch.map((finding) => [finding, verdict]));
    }
  }

  /** A repaired finding is not open any more. */
  async #forget(details: readonly RepairDetail[], signal: AbortSignal): Promise<void> {
    const done = details.filter(({ outcome }) => outcome === "repaired");
    for (let start = 0; start < done.length; start += FORGOTTEN_AT_ONCE) {
      await this.#parts.records.forgetFindings(done.slice(start, start + FORGOTTEN_AT_ONCE), signal);
    }
  }
}

async function inBatches(
  { findings }: Task,
  signal: AbortSignal,
  work: (batch: readonly Finding[]) => Promise<void>,
): Promise<void> {
  const batches: Finding[][] = [];
  for (let start = 0; start < findings.length; ) {
    let end = Math.min(findings.length, start + BATCH_SIZE);
    // A memory's findings stay together.
    while (end < findings.length && sameMemory(findings[end - 1] as Finding, findings[end] as Finding)) end++;
    batches.push(findings.slice(start, end));
    start = end;
  }
  const worker = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      signal.throwIfAborted();
      await work(batch);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

function checkOptions({ repairsMax, kinds }: RepairOptions): void {
  if (repairsMax !== undefined && !(Number.isInteger(repairsMax) && repairsMax >= 1)) {
    throw new ValidationError("repairsMax", `is ${repairsMax}, and must be a whole number from 1`);
  }
  const unknown = kinds?.find((kind) => !DRIFT_KINDS.includes(kind));
  if (unknown !== undefined)
    throw new ValidationError("kinds", `${JSON.stringify(unknown)} is none of ${DRIFT_KINDS.join(", ")}`);
}

function detail(finding: Finding, verdict: Verdict | undefined): RepairDetail {
  const { namespace, memoryId, store, kind } = finding;
  const { outcome, note, strategy = null } = verdict ?? deferred("the store is not connected here");
  return { namespace, memoryId, store, kind, outcome, note, strategy };
}

function sameMemory(a: Finding, b: Finding): boolean {
  return a.namespace === b.namespace && a.memoryId === b.memoryId;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function summarize(details: readonly RepairDetail[]): RepairReport {
  const results: Record<string, boolean> = Object.create(null);
  const counts = { repaired: 0, failed: 0, deferred: 0, planned: 0 };
  for (const { memoryId, outcome } of details) {
    counts[outcome]++;
    results[memoryId] = (results[memoryId] ?? true) && outcome === "repaired";
  }
  return { ...counts, results: { ...results }, details };
}
