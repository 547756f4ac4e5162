import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import * as conflicts from "./conflict-statements.ts";
import { keepEvidenceInFlight, settleEvidenceInFlight } from "./evidence-flights.ts";
import { type EvidenceEnding, keepEvidence, settleEvidence } from "./evidence-statements.ts";
import * as progress from "./progress-statements.ts";

const Statements = bindStatements({
  /** Every check that ever ran, of all nodes. */
  checkStates: progress.readCheckStates,
  forgetFindings: progress.forgetFindings,
  countFindings: progress.countFindings,
  acquireLease: progress.acquireLease,
  releaseLease: progress.releaseLease,
  /** A fact about this deployment that checks remember; null when it was never written. */
  readMeta: progress.readMeta,
  writeMeta: progress.writeMeta,
  listConflicts: conflicts.listConflicts,
  readConflict: conflicts.readConflict,
});

/** The ledger's records of checks and repairs: progress, findings, evidence, and which node has the role of checking. */
export class CheckLedger extends Statements {
  readonly nodeId: string;
  readonly #calls: LedgerCalls;

  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { nodeId: string; callTimeoutMs: number }) {
    const calls = new LedgerCalls(postgres, options.callTimeoutMs);
    super(calls);
    this.#calls = calls;
    this.nodeId = options.nodeId;
  }

  /**
   * Makes `runId` the one run of this node's `scope` that keeps its progress.
   * @param keep the part of an earlier run that stays: nothing, its position, or its position, counts and findings.
   */
  async beginCheck(
    scope: string,
    runId: string,
    keep: "nothing" | "position" | "all",
    signal: AbortSignal,
  ): Promise<void> {
    await this.#calls.use(signal, ({ sql }) => progress.beginCheck(sql, this.#name(scope), runId, keep));
  }

  /** @returns false when another run has taken over: nothing was kept. */
  async saveCheckpoint(
    scope: string,
    runId: string,
    point: progress.Checkpoint,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.#calls.use(signal, ({ sql }) => progress.saveCheckpoint(sql, this.#name(scope), runId, point));
  }

  async checkFindings(scope: string, limit: number, signal: AbortSignal): Promise<progress.RecordedFinding[]> {
    return await this.#calls.use(signal, ({ sql }) => progress.readCheckFindings(sql, this.#name(scope), limit));
  }

  /** @returns the records' ids, in order. */
  async keepEvidence(records: readonly conflicts.EvidenceRecord[], signal: AbortSignal): Promise<string[]> {
    return await this.#calls.use(signal, ({ sql, flights }) =>
      flights === undefined ? keepEvidence(sql, records) : keepEvidenceInFlight(flights, records),
    );
  }

  /** @returns ids of those that were pending until now. */
  async settleEvidence(endings: readonly EvidenceEnding[], signal: AbortSignal): Promise<string[]> {
    return await this.#calls.use(signal, ({ sql, flights }) =>
      flights === undefined ? settleEvidence(sql, endings) : settleEvidenceInFlight(flights, endings),
    );
  }

  #name(scope: string): progress.CheckName {
    return { scope, nodeId: this.nodeId };
  }
}

/** The part that checks and repairs use: also what stand-ins for property tests implement. */
export type CheckRecords = Pick<CheckLedger, keyof CheckLedger>;
