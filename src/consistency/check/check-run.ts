import type { CheckState } from "../../ledger/progress-statements.ts";
import { newUlid } from "../../runtime/ulid.ts";
import type { CheckerParts } from "./check-options.ts";
import { FINDINGS_MAX, FindingLog } from "./finding-log.ts";
import { storedPosition } from "./position.ts";
import { type Finding, isDriftKind } from "./report.ts";

/** Milliseconds between checkpoints, at least. */
const CHECKPOINT_INTERVAL_MS = 1_000;
/** A run without a checkpoint for this long (several intervals) counts as dead. If it is alive, it ends unrecorded. */
const SILENT_MS = 3_000;
/** After an interruption of this length a check starts over, because its first comparisons are too old. */
const RESUMABLE_MS = 3_600_000;

/** The part of an earlier run that a new one keeps. */
export type Keep = "nothing" | "position" | "all";

/** The record of one run: its findings and its position, so that another run can resume when this one is killed. */
export class CheckRun {
  readonly log: FindingLog;
  readonly startedAt: number;
  readonly resumed: boolean;
  /** Memories that the resumed run had compared. */
  readonly checkedBefore: number;
  readonly #parts: CheckerParts;
  readonly #name: string;
  readonly #runId = newUlid();
  /** False once another run owns the progress of this check: this run then records nothing more. */
  #isKept: boolean;
  #savedAt: number;

  private constructor(
    parts: CheckerParts,
    name: string,
    earlier: { state: CheckState; findings: readonly Finding[] } | null,
    isKept: boolean,
  ) {
    this.#parts = parts;
    this.#name = name;
    this.#isKept = isKept;
    this.resumed = earlier !== null;
    this.log = new FindingLog(earlier?.findings);
    this.startedAt = earlier?.state.startedAt ?? parts.now();
    this.checkedBefore = earlier?.state.checked ?? 0;
    this.#savedAt = parts.now();
  }

  /** The latest state of a check of this node. */
  static async lastState(parts: CheckerParts, name: string, signal: AbortSignal): Promise<CheckState | null> {
    const states = await parts.records.checkStates(signal);
    return states.find((state) => state.scope === name && state.nodeId === parts.records.nodeId) ?? null;
  }

  /**
   * Begins a run, or resumes one that was interrupted.
   * @returns the run, and the position to resume from; null: from the start.
   */
  static async begin<Position>(
    parts: CheckerParts,
    name: string,
    { resume, parse }: { readonly resume: boolean; readonly parse: (value: unknown) => Position | null },
    signal: AbortSignal,
  ): Promise<{ run: CheckRun; position: Position | null }> {
    const state = await CheckRun.lastState(parts, name, signal);
    const isOpen = state !== null && state.position !== null && state.finishedAt === null;
    if (isOpen && state.silentMs < SILENT_MS) {
      parts.log.info({ check: name, silentMs: state.silentMs }, "check.progress_kept_by_another_run");
      return { run: new CheckRun(parts, name, null, false), position: null };
    }
    const isResumable = resume && isOpen && state.silentMs < RESUMABLE_MS;
    const position = isResumable ? storedPosition(state.position, parse, name, parts.log) : null;
    if (isResumable && position !== null) {
      const run = new CheckRun(parts, name, { state, findings: await recordedFindings(parts, name, signal) }, true);
      await parts.records.beginCheck(name, run.#runId, "all", signal);
      parts.log.info({ check: name, checked: state.checked, startedAt: state.startedAt }, "check.resumed");
      return { run, position };
    }
    const run = new CheckRun(parts, name, null, true);
    await parts.records.beginCheck(name, run.#runId, "nothing", signal);
    return { run, position: null };
  }

  /** Begins a run of a check whose position outlives its runs. */
  static async continue(parts: CheckerParts, name: string, keep: Keep, signal: AbortSignal): Promise<CheckRun> {
    const state = await CheckRun.lastState(parts, name, signal);
    const earlier =
      keep === "all" && state !== null ? { state, findings: await recordedFindings(parts, name, signal) } : null;
    const run = new CheckRun(parts, name, earlier, true);
    await parts.records.beginCheck(name, run.#runId, keep, signal);
    return run;
  }

  /** Records progress, when a checkpoint is due. @param checked of this run alone. */
  async checkpoint(position: unknown, checked: number, signal: AbortSignal): Promise<void> {
    if (this.#parts.now() - this.#savedAt >= CHECKPOINT_INTERVAL_MS) await this.#save(position, checked, signal);
  }

  /** Records the position, from which the next run resumes. */
  async pause(position: unknown, checked: number, signal: AbortSignal): Promise<void> {
    await this.#save(position, checked, signal);
  }

  /** Records the end. @param position null, unless the next run begins where this one ended. */
  async finish(position: unknown, checked: number, signal: AbortSignal): Promise<void> {
    const clean = this.log.findings.length === 0;
    await this.#save(position, checked, signal, { clean });
  }

  async #save(
    position: unknown,
    checked: number,
    signal: AbortSignal,
    ended?: { readonly clean: boolean },
  ): Promise<void> {
    if (!this.#isKept) return;
    const findings = this.log.unkept();
    const point = { position, checked: this.checkedBefore + checked, findings, ...(ended && { ended }) };
    this.#isKept = await this.#parts.records.saveCheckpoint(this.#name, this.#runId, point, signal);
    this.log.kept(findings.length);
    this.#savedAt = this.#parts.now();
  }
}

async function recordedFindings(parts: CheckerParts, name: string, signal: AbortSignal): Promise<Finding[]> {
  const recorded = await parts.records.checkFindings(name, FINDINGS_MAX, signal);
  return recorded.flatMap(({ kind, ...finding }) => (isDriftKind(kind) ? [{ ...finding, kind }] : []));
}
