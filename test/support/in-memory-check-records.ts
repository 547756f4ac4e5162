import { embeddingBytes } from "../../src/domain/checksum.ts";
import { keyText, type MemoryKey } from "../../src/domain/keys.ts";
import type { CheckRecords } from "../../src/ledger/check-ledger.ts";
import type { ConflictFilter, ConflictRecord, EvidenceRecord } from "../../src/ledger/conflict-statements.ts";
import type { Checkpoint, CheckState, RecordedFinding } from "../../src/ledger/progress-statements.ts";

interface CheckRow {
  runId: string;
  state: Omit<CheckState, "silentMs">;
  updatedAt: number;
  findings: Map<string, RecordedFinding>;
}

/** What all nodes of one in-memory ledger share. */
export class CheckRecordsState {
  readonly checks = new Map<string, CheckRow>();
  readonly leases = new Map<string, { holder: string; expiresAt: number }>();
  readonly meta = new Map<string, string>();
  readonly conflicts: ConflictRecord[] = [];
}

/** Records of checks in maps, for property tests. Passes the conformance suite of the real ones. */
export class InMemoryCheckRecords implements CheckRecords {
  readonly nodeId: string;
  readonly #now: () => number;
  readonly #state: CheckRecordsState;

  constructor(nodeId: string, now: () => number, state = new CheckRecordsState()) {
    this.nodeId = nodeId;
    this.#now = now;
    this.#state = state;
  }

  async checkStates(): Promise<CheckState[]> {
    const rows = [...this.#state.checks.values()];
    return rows.map(({ state, updatedAt }) => ({ ...state, silentMs: this.#now() - updatedAt }));
  }

  async beginCheck(scope: string, runId: string, keep: "nothing" | "position" | "all"): Promise<void> {
    const name = this.#name(scope);
    const before = this.#state.checks.get(name);
    const all = keep === "all" ? before : undefined;
    this.#state.checks.set(name, {
      runId,
      state: {
        scope,
        nodeId: this.nodeId,
        position: keep === "nothing" ? null : (before?.state.position ?? null),
        checked: all?.state.checked ?? 0,
        findings: all?.state.findings ?? 0,
        startedAt: all?.state.startedAt ?? this.#now(),
        finishedAt: null,
        lastCleanAt: before?.state.lastCleanAt ?? null,
      },
      updatedAt: this.#now(),
      findings: all?.findings ?? new Map(),
    });
  }

  async saveCheckpoint(scope: string, runId: string, point: Checkpoint): Promise<boolean> {
    const row = this.#state.checks.get(this.#name(scope));
    if (row === undefined || row.runId !== runId) return false;
    row.state = {
      ...row.state,
      position: JSON.parse(JSON.stringify(point.position)),
      checked: point.checked,
      findings: row.state.findings + point.findings.length,
      finishedAt: point.ended === undefined ? null : this.#now(),
      lastCleanAt: point.ended?.clean ? this.#now() : row.state.lastCleanAt,
    };
    row.updatedAt = this.#now();
    for (const finding of point.findings) row.findings.set(findingText(finding), finding);
    return true;
  }

  async checkFindings(scope: string, limit: number): Promise<RecordedFinding[]> {
    const found = [...(this.#state.checks.get(this.#name(scope))?.findings.values() ?? [])];
    return found.sort((a, b) => (sortText(a) < sortText(b) ? -1 : 1)).slice(0, limit);
  }

  async forgetFindings(findings: readonly (MemoryKey & { store: RecordedFinding["store"] })[]): Promise<void> {
    for (const row of this.#state.checks.values()) {
      for (const finding of findings) row.findings.delete(findingText(finding));
    }
  }

  async countFindings(): Promise<{ store: RecordedFinding["store"]; kind: string; count: number }[]> {
    const groups = new Map<string, { store: RecordedFinding["store"]; kind: string; members: Set<string> }>();
    for (const finding of [...this.#state.checks.values()].flatMap((row) => [...row.findings.values()])) {
      const name = `${finding.store} ${finding.kind}`;
      const group = groups.get(name) ?? { store: finding.store, kind: finding.kind, members: new Set() };
      group.members.add(keyText(finding));
      groups.set(name, group);
    }
    const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, { store, kind, members }]) => ({ store, kind, count: members.size }));
  }

  async acquireLease(name: string, holder: string, ttlMs: number): Promise<boolean> {
    const held = this.#state.leases.get(name);
    if (held !== undefined && held.holder !== holder && held.expiresAt >= this.#now()) return false;
    this.#state.leases.set(name, { holder, expiresAt: this.#now() + ttlMs });
    return true;
  }

  async releaseLease(name: string, holder: string): Promise<void> {
    if (this.#state.leases.get(name)?.holder === holder) this.#state.leases.delete(name);
  }

  async readMeta(name: string): Promise<string | null> {
    return this.#state.meta.get(name) ?? null;
  }

  async writeMeta(name: string, value: string): Promise<void> {
    this.#state.meta.set(name, value);
  }

  async keepEvidence(records: readonly EvidenceRecord[]): Promise<string[]> {
    return records.map((record) => {
      const known = this.#state.conflicts.find((kept) => kept.state === "pending" && sameFinding(kept, record));
      const { strategy, pendingBecause } = record;
      if (known !== undefined) {
        Object.assign(known, { strategy, pendingBecause });
        return known.id;
      }
      const id = String(this.#state.conflicts.length + 1);
      const ledgerEmbedding = record.ledgerEmbedding && embeddingBytes(record.ledgerEmbedding);
      const ending = { detectedAt: this.#now(), resolvedAt: null, resolution: null };
      this.#state.conflicts.push({ ...record, ledgerEmbedding, id, state: "pending", ...ending });
      return id;
    });
  }

  async settleEvidence(
    endings: readonly { id: string; state: "resolved" | "failed"; resolution: string }[],
  ): Promise<string[]> {
    return endings.flatMap(({ id, state, resolution }) => {
      const record = this.#state.conflicts.find((kept) => kept.id === id && kept.state === "pending");
      if (record === undefined) return [];
      Object.assign(record, { state, resolution, resolvedAt: this.#now(), pendingBecause: null });
      return [id];
    });
  }

  async listConflicts(filter: ConflictFilter): Promise<ConflictRecord[]> {
    const { state, namespace, memoryId, waiting, after = "0", limit } = filter;
    return this.#state.conflicts
      .filter((record) => Number(record.id) > Number(after))
      .filter((record) => state === undefined || record.state === state)
      .filter((record) => namespace === undefined || record.namespace === namespace)
      .filter((record) => memoryId === undefined || record.memoryId === memoryId)
      .filter(
        (record) =>
          waiting === undefined || (record.state === "pending" && (record.pendingBecause !== null) === waiting),
      )
      .slice(0, limit)
      .map((record) => ({ ...record }));
  }

  async readConflict(id: string): Promise<ConflictRecord | null> {
    const record = this.#state.conflicts.find((kept) => kept.id === id);
    return record === undefined ? null : { ...record };
  }

  #name(scope: string): string {
    return `${scope}\u0000${this.nodeId}`;
  }
}

function findingText(finding: MemoryKey & { store: string }): string {
  return `${finding.store}\u0000${keyText(finding)}`;
}

function sortText(finding: RecordedFinding): string {
  return `${keyText(finding)}\u0000${finding.store}`;
}

function sameFinding(kept: ConflictRecord, record: EvidenceRecord): boolean {
  const same = (a: Buffer | null, b: Buffer | null): boolean => (a === null || b === null ? a === b : a.equals(b));
  return (
    findingText(kept) === findingText(record) &&
    kept.kind === record.kind &&
    kept.foundVersion === record.foundVersion &&
    kept.foundState === record.foundState &&
    kept.foundChecksum === record.foundChecksum &&
    kept.ledgerVersion === record.ledgerVersion &&
    same(kept.foundDocument, record.foundDocument) &&
    same(kept.foundEmbedding, record.foundEmbedding)
  );
}
