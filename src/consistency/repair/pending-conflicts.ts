import { differences, type SideDifferences } from "../../conflict/differences.ts";
import type { Candidate, ConflictStrategy, Resolution } from "../../conflict/strategy.ts";
import { checksumOf, embeddingFromBytes } from "../../domain/checksum.ts";
import { NotFoundError, ValidationError } from "../../domain/errors.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import { canonicalJson, type MemoryDocument, type Privacy } from "../../domain/memory.ts";
import { IMPORT_ID, LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import { parseVector, type VersionVector } from "../../domain/version-vector.ts";
import type { ConflictFilter, ConflictOrigin, ConflictRecord } from "../../ledger/conflict-statements.ts";
import { CONFLICT_KINDS, type DriftKind, type Finding } from "../check/report.ts";
import { decideImported } from "./imported-conflicts.ts";
import type { RepairDetail, RepairerParts, Verdict } from "./repair-options.ts";
import { resolveConflicts } from "./resolve-conflicts.ts";

/** A finding with its decision, or without one yet. */
export interface ConflictSummary extends MemoryKey {
  readonly id: string;
  /** Where the other side was found: a store, or an import. */
  readonly store: ConflictOrigin;
  readonly kind: DriftKind;
  readonly state: "pending" | "resolved" | "failed";
  /** The strategy that decided or deferred. `ledger_wins`: the ledger is right by rule. */
  readonly strategy: string;
  /** Why the conflict is pending; null when it is not. */
  readonly pendingBecause: string | null;
  readonly ledgerVersion: number | null;
  readonly foundVersion: number | null;
  /** Milliseconds since 1970. */
  readonly detectedAt: number;
  readonly resolvedAt: number | null;
  /** The repair, or why it failed. */
  readonly resolution: string | null;
}

/** The content of one side when the conflict was found. */
export interface ConflictSide {
  readonly version: number | null;
  readonly checksum: string | null;
  readonly document: MemoryDocument | null;
  /** The raw content as text, when it is no JSON document. */
  readonly raw: string | null;
  readonly embedding: Float32Array | null;
  readonly versionVector: VersionVector | null;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number | null;
}

export interface ConflictDetails extends ConflictSummary {
  /** What was seen, for people. */
  readonly evidence: string;
  readonly ledger: ConflictSide;
  readonly found: ConflictSide;
  /** From the ledger's side (left) to the store's (right); null where one of them is no document. */
  readonly differences: SideDifferences | null;
}

/** A person's decision: one side, a new content, or removal (only for a memory that the ledger does not know). */
export type ConflictDecision =
  | { readonly choose: ConflictOrigin }
  | { readonly remove: true }
  | {
      readonly content: string;
      readonly memoryType: string;
      readonly importance?: number | undefined;
      readonly metadata?: JsonObject | undefined;
      readonly privacy?: Privacy | undefined;
      readonly embedding?: readonly number[] | Float32Array | null | undefined;
      readonly embeddingModel?: string | undefined;
      readonly expiresAt?: string | undefined;
    };

export interface ConflictListOptions extends Partial<Omit<ConflictFilter, "limit">> {
  /** At most 1,000. @default 100 */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The result of a decision. */
export interface DecisionOutcome extends Omit<RepairDetail, "store"> {
  readonly store: ConflictOrigin;
}

/** The strategy name that is logged for a person's decision. */
const BY_HAND = "manual";
const LIST_MAX = 1_000;

/** Conflicts on record: list them, look at both sides, decide. */
export class PendingConflicts {
  readonly #parts: RepairerParts;

  /** @internal Callers get the one of their synchronizer. */
  constructor(parts: RepairerParts) {
    this.#parts = parts;
  }

  /** Conflicts in the order in which they were found; only pending ones by default. */
  async list(options: ConflictListOptions = {}): Promise<ConflictSummary[]> {
    const { limit = 100, signal = new AbortController().signal, ...filter } = options;
    this.#parts.validator.checkCount(limit, "limit", LIST_MAX);
    if (filter.after !== undefined) checkId(filter.after, "after");
    const wanted = filter.state === undefined && filter.waiting === undefined ? { waiting: true, ...filter } : filter;
    return (await this.#parts.records.listConflicts({ ...wanted, limit }, signal)).map(summary);
  }

  /** @throws {NotFoundError} */
  async show(id: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ConflictDetails> {
    return details(await this.#read(id, options.signal ?? new AbortController().signal));
  }

  /**
   * Executes a decision like a strategy's: the loser stays on record, and the winner becomes a version of the ledger.
   * `deferred` when the memory has changed since the conflict was found: check again.
   * @throws {NotFoundError} There is no such conflict. @throws {ValidationError} It is decided already, or the decision
   *   does not fit it.
   */
  async resolve(
    id: string,
    decision: ConflictDecision,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<DecisionOutcome> {
    const { signal = new AbortController().signal } = options;
    const record = await this.#read(id, signal);
    if (record.state !== "pending") {
      throw new ValidationError("id", `conflict ${id} is ${record.state} already: ${record.resolution ?? ""}`);
    }
    if (!CONFLICT_KINDS.has(record.kind as DriftKind) || record.store === LEDGER_ID) {
      throw new ValidationError(
        "id",
        `conflict ${id} is a repair that was cut short, not a decision: run the repair again`,
      );
    }
    const resolution = this.#resolution(decision, record);
    if (record.store === IMPORT_ID) {
      const { namespace, memoryId, store } = record;
      const { outcome, note } = await decideImported(this.#parts, record, resolution, BY_HAND, signal);
      return { namespace, memoryId, store, kind: record.kind as DriftKind, outcome, note, strategy: BY_HAND };
    }
    const finding = findingOf(record, record.store);
    const strategy: ConflictStrategy = {
      name: BY_HAND,
      // The decision applies to the shown content. An equal version alone does not prove that the content is still the same.
      resolve: ({ candidates }) => (candidates.some((side) => isShown(side, record)) ? resolution : CHANGED),
    };
    const verdicts = await resolveConflicts(this.#parts, [finding], strategy, { dryRun: false, signal });
    const verdict = verdicts.get(finding) as Verdict;
    const { namespace, memoryId, store, kind } = finding;
    return { namespace, memoryId, store, kind, outcome: verdict.outcome, note: verdict.note, strategy: BY_HAND };
  }

  #resolution(decision: ConflictDecision, record: ConflictRecord): Resolution {
    if ("choose" in decision) {
      const sides = record.ledgerVersion === null ? [record.store] : [LEDGER_ID, record.store];
      if (sides.includes(decision.choose)) return { action: "choose", store: decision.choose };
      throw new ValidationError("choose", `${JSON.stringify(decision.choose)} is no side of it: ${sides.join(", ")}`);
    }
    if ("remove" in decision) {
      if (record.kind === "orphan") return { action: "remove" };
      throw new ValidationError("remove", "the ledger knows this memory: choose a side, or delete the memory");
    }
    const { validator } = this.#parts;
    const memory = validator.validate({ ...decision, namespace: record.namespace, memoryId: record.memoryId });
    return { action: "write", document: memory.document, embedding: memory.embedding };
  }

  async #read(id: string, signal: AbortSignal): Promise<ConflictRecord> {
    checkId(id, "id");
    const record = await this.#parts.records.readConflict(id, signal);
    if (record === null) throw new NotFoundError(`there is no conflict ${id}: list them to see which there are`);
    return record;
  }
}

const CHANGED: Resolution = {
  action: "pending",
  note: "what was decided about is not there any more: look at it again",
};

function isShown({ store, document, embedding }: Candidate, record: ConflictRecord): boolean {
  if (store !== record.store || document === null) return false;
  return checksumOf(canonicalJson(document), embedding) === record.foundChecksum;
}

function checkId(id: string, path: string): void {
  if (!/^[0-9]{1,18}$/.test(id)) throw new ValidationError(path, `${JSON.stringify(id)} is no id: expected a number`);
}

function findingOf(record: ConflictRecord, store: StoreId): Finding {
  const { namespace, memoryId, evidence, foundVersion } = record;
  const kind = record.kind as DriftKind;
  return { namespace, memoryId, store, kind, expectedVersion: record.ledgerVersion, foundVersion, evidence };
}

function summary(record: ConflictRecord): ConflictSummary {
  const { id, namespace, memoryId, store, state, strategy, pendingBecause, ledgerVersion, foundVersion } = record;
  const { detectedAt, resolvedAt, resolution } = record;
  const kind = record.kind as DriftKind;
  const told = { id, namespace, memoryId, store, kind, state, strategy, pendingBecause };
  return { ...told, ledgerVersion, foundVersion, detectedAt, resolvedAt, resolution };
}

function details(record: ConflictRecord): ConflictDetails {
  const ledger = {
    version: record.ledgerVersion,
    checksum: record.ledgerChecksum,
    document: record.ledgerDocument === null ? null : (JSON.parse(record.ledgerDocument) as MemoryDocument),
    raw: null,
    embedding: record.ledgerEmbedding && embeddingFromBytes(record.ledgerEmbedding),
    versionVector: record.ledgerVector === null ? null : parseVector(record.ledgerVector),
    modifiedAt: record.ledgerModifiedAt,
  };
  const text = record.foundDocument?.toString() ?? null;
  const document = text === null ? null : parsedDocument(text);
  const found = {
    version: record.foundVersion,
    checksum: record.foundChecksum,
    document,
    raw: document === null ? text : null,
    embedding: record.foundEmbedding && embeddingFromBytes(record.foundEmbedding),
    versionVector: record.foundVector === null ? null : parseVector(record.foundVector),
    modifiedAt: record.foundModifiedAt,
  };
  const comparable = CONFLICT_KINDS.has(record.kind as DriftKind) && document !== null;
  return {
    ...summary(record),
    evidence: record.evidence,
    ledger,
    found,
    differences: comparable ? differences(ledger, found) : null,
  };
}

/** The document that a store's text is; null: it is none, and shown as text. */
export function parsedDocument(text: string): MemoryDocument | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as MemoryDocument) : null;
  } catch {
    return null;
  }
}
