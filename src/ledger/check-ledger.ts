import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { PostgresAccess, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../runtime/deadline.ts";
import * as conflicts from "./conflict-statements.ts";
import * as progress from "./progress-statements.ts";

/** What the ledger keeps of checks and repairs: progress, findings, evidence, and who has the role of checking. */
export class CheckLedger {
  readonly nodeId: string;
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { nodeId: string; callTimeoutMs: number }) {
    this.#postgres = postgres;
    this.nodeId = options.nodeId;
    this.#callTimeoutMs = options.callTimeoutMs;
  }

  /** Every check that ever ran, of all nodes. */
  async checkStates(signal: AbortSignal): Promise<progress.CheckState[]> {
    return await this.#connection(signal, ({ sql }) => progress.readCheckStates(sql));
  }

  /**
   * Makes `runId` the one run of this node's `scope` that keeps its progress.
   * @param keep what of an earlier run stays: nothing, where it was, or that and what it counted and found.
   */
  async beginCheck(
    scope: string,
    runId: string,
    keep: "nothing" | "position" | "all",
    signal: AbortSignal,
  ): Promise<void> {
    await this.#connection(signal, ({ sql }) => progress.beginCheck(sql, this.#name(scope), runId, keep));
  }

  /** @returns false when another run has taken over: nothing was kept. */
  async saveCheckpoint(
    scope: string,
    runId: string,
    point: progress.Checkpoint,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => progress.saveCheckpoint(sql, this.#name(scope), runId, point));
  }

  async checkFindings(scope: string, limit: number, signal: AbortSignal): Promise<progress.RecordedFinding[]> {
    return await this.#connection(signal, ({ sql }) => progress.readCheckFindings(sql, this.#name(scope), limit));
  }

  async forgetFindings(findings: readonly (MemoryKey & { store: StoreId })[], signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => progress.forgetFindings(sql, findings));
  }

  async countFindings(signal: AbortSignal): Promise<{ store: StoreId; kind: string; count: number }[]> {
    return await this.#connection(signal, ({ sql }) => progress.countFindings(sql));
  }

  async acquireLease(name: string, holder: string, ttlMs: number, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => progress.acquireLease(sql, name, holder, ttlMs));
  }

  async releaseLease(name: string, holder: string, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => progress.releaseLease(sql, name, holder));
  }

  /** A fact about this deployment that checks remember; null when it was never written. */
  async readMeta(name: string, signal: AbortSignal): Promise<string | null> {
    return await this.#connection(signal, ({ sql }) => progress.readMeta(sql, name));
  }

  async writeMeta(name: string, value: string, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => progress.writeMeta(sql, name, value));
  }

  /** @returns the records' ids, in order. */
  async keepEvidence(records: readonly conflicts.EvidenceRecord[], signal: AbortSignal): Promise<string[]> {
    return await this.#connection(signal, ({ sql }) => conflicts.keepEvidence(sql, records));
  }

  /** @returns ids of those that were pending until now. */
  async settleEvidence(
    endings: readonly { id: string; state: "resolved" | "failed"; resolution: string }[],
    signal: AbortSignal,
  ): Promise<string[]> {
    return await this.#connection(signal, ({ sql }) => conflicts.settleEvidence(sql, endings));
  }

  async listConflicts(filter: conflicts.ConflictFilter, signal: AbortSignal): Promise<conflicts.ConflictRecord[]> {
    return await this.#connection(signal, ({ sql }) => conflicts.listConflicts(sql, filter));
  }

  async readConflict(id: string, signal: AbortSignal): Promise<conflicts.ConflictRecord | null> {
    return await this.#connection(signal, ({ sql }) => conflicts.readConflict(sql, id));
  }

  #name(scope: string): progress.CheckName {
    return { scope, nodeId: this.nodeId };
  }

  async #connection<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) => this.#postgres.use(deadline, work));
  }
}

/** What checks and repairs see of it: also what stand-ins for property tests implement. */
export type CheckRecords = Pick<CheckLedger, keyof CheckLedger>;
