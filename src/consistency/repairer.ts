import { InternalError, MnemosyncError, type StoreName } from "../errors.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { checksumOf } from "../memory/checksum.ts";
import { keyText, type MemoryKey } from "../memory/keys.ts";
import type { MemoryChange } from "../memory/memory.ts";
import type { Log } from "../observability/log.ts";
import type { Projection, Replacement, StoredEntry } from "../projections/projection.ts";
import { classify } from "./classify.ts";
import { ledgerEvidence, storeEvidence } from "./evidence.ts";
import type { ConsistencyReport, Finding } from "./report.ts";

export interface RepairerParts {
  readonly ledger: LedgerStore;
  readonly projections: readonly Projection[];
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface RepairOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { done: number; total: number }) => void;
}

/** What became of one finding. */
export interface RepairDetail extends MemoryKey {
  readonly store: StoreName;
  readonly kind: Finding["kind"];
  readonly outcome: "repaired" | "failed" | "deferred";
  /** What was done, or why it could not be. */
  readonly note: string;
}

export interface RepairReport {
  readonly repaired: number;
  readonly failed: number;
  /** Left for a later run: the ground moved, or a store did not answer. */
  readonly deferred: number;
  /** Memory id → whether all its findings are repaired. Ids of several namespaces share an entry. */
  readonly results: Readonly<Record<string, boolean>>;
  readonly details: readonly RepairDetail[];
}

type Verdict = Pick<RepairDetail, "outcome" | "note">;

/** Findings that are repaired at a time. */
const BATCH_SIZE = 100;

/**
 * Repairs findings: keep what was found as evidence, make the store hold what the ledger says (provided that it still
 * holds what was found), read it back. A repair counts when the store then agrees.
 *
 * The ledger's own damage is mended from Redis, when the copy there fits the recorded checksum.
 */
export class Repairer {
  readonly #parts: RepairerParts;

  constructor(parts: RepairerParts) {
    this.#parts = parts;
  }

  async run(report: ConsistencyReport, options: RepairOptions = {}): Promise<RepairReport> {
    const { signal = new AbortController().signal, onProgress } = options;
    const details: RepairDetail[] = [];
    const total = report.findings.length;
    // The ledger first: what is published again comes from it.
    for (const store of ["postgres", "redis", "faiss"] as const) {
      const findings = report.findings.filter((finding) => finding.store === store);
      for (let start = 0; start < findings.length; start += BATCH_SIZE) {
        const batch = findings.slice(start, start + BATCH_SIZE);
        const verdicts = await this.#repairBatch(store, batch, signal);
        batch.forEach(({ namespace, memoryId, kind }, index) => {
          details.push({ namespace, memoryId, store, kind, ...(verdicts[index] as Verdict) });
        });
        onProgress?.({ done: details.length, total });
      }
    }
    return summarize(details);
  }

  async #repairBatch(store: StoreName, findings: readonly Finding[], signal: AbortSignal): Promise<Verdict[]> {
    try {
      if (store === "postgres") return await this.#mendLedger(findings, signal);
      const projection = this.#parts.projections.find((candidate) => candidate.store === store);
      if (projection === undefined) return findings.map(() => deferred(`${store} is not connected here`));
      return await this.#republish(projection, findings, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const reason = error instanceof MnemosyncError ? error : new InternalError(String(error), { cause: error });
      this.#parts.log.warn({ store, findings: findings.length, error: reason.message }, "repair.batch_failed");
      return findings.map(() => (reason.retryable ? deferred(reason.message) : failed(reason.message)));
    }
  }

  async #republish(projection: Projection, findings: readonly Finding[], signal: AbortSignal): Promise<Verdict[]> {
    const { ledger } = this.#parts;
    const [changes, entries, flaws] = await Promise.all([
      ledger.readChanges(findings, signal),
      projection.read(findings, { data: true }, signal),
      ledger.readFlaws(findings, signal),
    ]);
    const flawed = new Set(flaws.map(keyText));
    const replacements: (Replacement | Verdict)[] = findings.map((finding, index) => {
      const change = changes.get(keyText(finding)) ?? null;
      const found = entries[index] ?? null;
      if (flawed.has(keyText(finding))) return failed("the ledger's own data is damaged: nothing sound to publish");
      if (movedOn(finding, change, found)) return deferred("changed since the check: run it again");
      return {
        key: { namespace: finding.namespace, memoryId: finding.memoryId },
        found,
        change: wanted(projection, change),
      };
    });
    const evidence = replacements.flatMap((replacement, index) =>
      "key" in replacement
        ? [storeEvidence(findings[index] as Finding, replacement.found, changes.get(keyText(replacement.key)))]
        : [],
    );
    const ids = await ledger.keepEvidence(evidence, signal);
    const work = replacements.filter((replacement): replacement is Replacement => "key" in replacement);
    const answers = await projection.replace(work, signal);
    const agreed = await this.#verify(projection, work, signal);
    const settled: { resolved: string[]; failed: string[] } = { resolved: [], failed: [] };
    let position = 0;
    const verdicts = replacements.map((replacement): Verdict => {
      if (!("key" in replacement)) return replacement;
      const id = ids[position] as string;
      const answer = answers[position];
      const disagreement = agreed[position++];
      if (answer === "applied" && disagreement === null) {
        settled.resolved.push(id);
        return { outcome: "repaired", note: replacement.change === null ? "removed" : "published again" };
      }
      settled.failed.push(id);
      if (answer === "moved") return deferred("the store changed meanwhile: run the check again");
      return failed(`read back, the store still differs: ${disagreement}`);
    });
    if (settled.resolved.length > 0)
      await ledger.settleEvidence(settled.resolved, "resolved", "the ledger's version was put in place", signal);
    if (settled.failed.length > 0)
      await ledger.settleEvidence(settled.failed, "failed", "the store was not changed, or differs still", signal);
    return verdicts;
  }

  /** Reads back what was repaired. @returns per replacement what still differs; null where the store agrees. */
  async #verify(
    projection: Projection,
    replacements: readonly Replacement[],
    signal: AbortSignal,
  ): Promise<(string | null)[]> {
    const { ledger, now } = this.#parts;
    const keys = replacements.map((replacement) => replacement.key);
    const [versions, entries] = await Promise.all([
      ledger.readVersions(keys, signal),
      projection.read(keys, { data: true }, signal),
    ]);
    return replacements.map(({ key, change }, index) => {
      const entry = entries[index] ?? null;
      const drift = classify(projection.store, versions.get(keyText(key)), entry, now());
      if (drift !== null) return drift.evidence;
      const sound = change?.kind !== "put" || entry?.state !== "live" || entry.version !== change.version;
      return sound ? null : projection.flaw(entry, change);
    });
  }

  /** Puts the document back from Redis where the copy there fits the recorded checksum. */
  async #mendLedger(findings: readonly Finding[], signal: AbortSignal): Promise<Verdict[]> {
    const { ledger, projections } = this.#parts;
    const redis = projections.find((projection) => projection.store === "redis");
    const [versions, changes, copies] = await Promise.all([
      ledger.readVersions(findings, signal),
      ledger.readChanges(findings, signal),
      redis?.read(findings, { data: true }, signal) ?? [],
    ]);
    const verdicts: Verdict[] = [];
    for (const [index, finding] of findings.entries()) {
      const row = versions.get(keyText(finding));
      if (row === undefined) {
        verdicts.push(deferred("the ledger no longer knows the memory"));
        continue;
      }
      const change = changes.get(keyText(finding)) ?? null;
      const [id] = await ledger.keepEvidence([ledgerEvidence(finding, change)], signal);
      const verdict =
        row.checksum === null
          ? await this.#removeStray(finding, signal)
          : await this.#restore(finding, row.version, row.checksum, copies[index] ?? null, signal);
      const state = verdict.outcome === "repaired" ? "resolved" : "failed";
      await ledger.settleEvidence([id as string], state, verdict.note, signal);
      verdicts.push(verdict);
    }
    return verdicts;
  }

  async #removeStray(finding: Finding, signal: AbortSignal): Promise<Verdict> {
    const removed = await this.#parts.ledger.removeStrayDocument(finding, signal);
    return removed
      ? { outcome: "repaired", note: "the deleted memory's document was removed" }
      : deferred("nothing left to remove");
  }

  async #restore(
    finding: Finding,
    version: number,
    checksum: string,
    copy: StoredEntry | null,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const data = copy?.state === "live" ? copy.data : undefined;
    if (data?.documentJson == null || checksumOf(data.documentJson, data.embedding) !== checksum) {
      return failed("no copy fits the recorded checksum: restore it from a backup, or write the memory anew");
    }
    const document = data.documentJson.toString();
    const restored = await this.#parts.ledger.restoreDocument(finding, version, document, data.embedding, signal);
    if (!restored) return deferred("changed since the check: run it again");
    const [still] = await this.#parts.ledger.readFlaws([finding], signal);
    return still === undefined
      ? { outcome: "repaired", note: "restored from Redis, whose copy fits the checksum" }
      : failed(`read back, ${still.reason}`);
  }
}

/** What a projection should hold for a change: nothing where it has no use for it and needs no trace of the version. */
function wanted(projection: Projection, change: MemoryChange | null): MemoryChange | null {
  if (change === null || change.kind === "tombstone") return change;
  return projection.holds(change) ? change : null;
}

/** Whether the memory is not as the finding has it any more, so that its repair would be somebody's guess. */
function movedOn(finding: Finding, change: MemoryChange | null, found: StoredEntry | null): boolean {
  if ((change?.version ?? null) !== finding.expectedVersion) return true;
  const version = found === null || found.state === "malformed" ? null : found.version;
  return version !== finding.foundVersion;
}

function summarize(details: readonly RepairDetail[]): RepairReport {
  const results: Record<string, boolean> = Object.create(null);
  const counts = { repaired: 0, failed: 0, deferred: 0 };
  for (const { memoryId, outcome } of details) {
    counts[outcome]++;
    results[memoryId] = (results[memoryId] ?? true) && outcome === "repaired";
  }
  return { ...counts, results: { ...results }, details };
}

function deferred(note: string): Verdict {
  return { outcome: "deferred", note };
}

function failed(note: string): Verdict {
  return { outcome: "failed", note };
}
