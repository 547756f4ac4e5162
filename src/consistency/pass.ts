import type { ConfirmedVersion } from "../ledger/check-statements.ts";
import type { KeyPosition, LedgerVersion } from "../ledger/read-statements.ts";
import type { BucketSet } from "../memory/buckets.ts";
import { keyText, type MemoryKey } from "../memory/keys.ts";
import type { MemoryChange } from "../memory/memory.ts";
import type { Projection, StoredEntry } from "../projections/projection.ts";
import type { CheckerParts, CheckOptions } from "./check-options.ts";
import { classify, type Drift } from "./classify.ts";
import type { CheckScope, Finding } from "./report.ts";

/** Memories that are compared at a time: bounds what is held in memory and for how long rows are locked. */
const PAGE_SIZE = 500;

/** Differing buckets up to which they are listed by name; beyond it walking over everything is as cheap. */
const NAMED_BUCKETS_MAX = 2_000;

/** What is read of a page of memories, to be compared. */
interface PageView {
  /** By key text; only for `deep`. */
  readonly changes: ReadonlyMap<string, MemoryChange>;
  /** Memories (key texts) whose ledger data is itself damaged; only for `deep`. */
  readonly flawed: ReadonlySet<string>;
}

/** One run of a check: walks over the stores, gathers suspects page by page, confirms them, keeps the findings. */
export class Pass {
  readonly findings: Finding[] = [];
  readonly #parts: CheckerParts;
  readonly #deep: boolean;
  readonly #signal: AbortSignal;
  readonly #onProgress: CheckOptions["onProgress"];
  #checked = 0;

  constructor(parts: CheckerParts, scope: CheckScope, signal: AbortSignal, onProgress: CheckOptions["onProgress"]) {
    this.#parts = parts;
    this.#deep = scope === "deep";
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /**
   * Compares what the ledger has with what each projection holds under the same keys.
   * @param buckets those to look at; null: all of them. @returns live memories that were compared.
   */
  async compareLedger(buckets: BucketSet | null): Promise<number> {
    if (buckets !== null && buckets.size === 0) return 0;
    const named = buckets !== null && buckets.size <= NAMED_BUCKETS_MAX ? buckets : null;
    let after: KeyPosition | null = null;
    for (;;) {
      const listed: (LedgerVersion & KeyPosition)[] = await this.#parts.ledger.listVersions(
        after,
        named,
        PAGE_SIZE,
        this.#signal,
      );
      const rows = listed.filter((row) => buckets === null || buckets.has(row.bucket));
      if (rows.length > 0) await this.#comparePage(rows);
      after = listed.at(-1) ?? null;
      if (listed.length < PAGE_SIZE) return this.#checked;
    }
  }

  /** Walks over a projection and looks for what the ledger does not know. */
  async compareStrangers(projection: Projection, buckets: BucketSet | null): Promise<void> {
    if (buckets !== null && buckets.size === 0) return;
    let cursor: string | null = null;
    do {
      const options = buckets === null ? {} : { buckets };
      const page = await projection.scan(cursor, options, this.#signal);
      const known = await this.#parts.ledger.readVersions(page.entries, this.#signal);
      const strangers = page.entries.filter((entry) => entry.state !== "tombstone" && !known.has(keyText(entry)));
      for (let start = 0; start < strangers.length; start += PAGE_SIZE) {
        await this.#confirm(projection, strangers.slice(start, start + PAGE_SIZE).map(plainKey));
      }
      cursor = page.cursor;
    } while (cursor !== null);
  }

  async #comparePage(rows: readonly LedgerVersion[]): Promise<void> {
    const keys = rows.map(plainKey);
    const view = await this.#view(keys);
    if (view.flawed.size > 0) await this.#confirmFlaws(keys.filter((key) => view.flawed.has(keyText(key))));
    for (const projection of this.#parts.projections) {
      const entries = await projection.read(keys, { data: this.#deep }, this.#signal);
      const suspects = keys.filter((_, index) => this.#compare(projection, rows[index], entries[index] ?? null, view));
      if (suspects.length > 0) await this.#confirm(projection, suspects);
    }
    for (const row of rows) if (row.checksum !== null) this.#checked++;
    this.#onProgress?.({ checked: this.#checked, findings: this.findings.length });
  }

  async #view(keys: readonly MemoryKey[]): Promise<PageView> {
    if (!this.#deep) return { changes: new Map(), flawed: new Set() };
    const [changes, flaws] = await Promise.all([
      this.#parts.ledger.readChanges(keys, this.#signal),
      this.#parts.ledger.readFlaws(keys, this.#signal),
    ]);
    return { changes, flawed: new Set(flaws.map(keyText)) };
  }

  #compare(
    projection: Projection,
    row: LedgerVersion | undefined,
    entry: StoredEntry | null,
    view: PageView,
  ): Drift | null {
    const drift = classify(projection.store, row, entry, this.#parts.now());
    if (entry?.state !== "live" || row === undefined) return drift;
    // Whose checksum is another one may have had its data changed under it, which only the data tells.
    const judgeable = drift === null || (drift.kind === "diverged" && entry.data?.documentJson != null);
    const expected = view.changes.get(keyText(row));
    if (!judgeable || expected?.kind !== "put" || expected.version !== row.version) return drift;
    // A vector is judged by the ledger's, which must be sound for that.
    if (entry.data?.documentJson == null && view.flawed.has(keyText(row))) return drift;
    const flaw = projection.flaw(entry, expected);
    return flaw === null ? drift : { kind: "corrupt", evidence: flaw };
  }

  /** Looks again while the rows are locked: nobody can be writing these memories then. */
  async #confirm(projection: Projection, keys: readonly MemoryKey[]): Promise<void> {
    const { ledger, overdueMs } = this.#parts;
    await ledger.confirming(keys, overdueMs, this.#signal, async ({ rows, busy }) => {
      const settled = keys.filter((key) => {
        const row = rows.get(keyText(key));
        return !busy.has(keyText(key)) && !isUnderway(row, projection);
      });
      if (settled.length === 0) return;
      const view = await this.#view(settled.filter((key) => rows.has(keyText(key))));
      const entries = await projection.read(settled, { data: this.#deep }, this.#signal);
      // There was no row to lock for a memory that the ledger does not know: it may have been created since.
      const unknown = settled.filter((key) => !rows.has(keyText(key)));
      const created = unknown.length === 0 ? null : await ledger.readVersions(unknown, this.#signal);
      settled.forEach((key, index) => {
        if (created?.has(keyText(key))) return;
        const row = rows.get(keyText(key));
        const entry = entries[index] ?? null;
        const drift = this.#compare(projection, row, entry, view);
        if (drift === null) return;
        this.findings.push({
          ...key,
          store: projection.store,
          kind: drift.kind,
          expectedVersion: row?.version ?? null,
          foundVersion: entry === null || entry.state === "malformed" ? null : entry.version,
          evidence: drift.evidence,
        });
      });
    });
  }

  /** Damage in the ledger itself: document or vector no longer fit the recorded checksum. */
  async #confirmFlaws(keys: readonly MemoryKey[]): Promise<void> {
    const { ledger, overdueMs } = this.#parts;
    await ledger.confirming(keys, overdueMs, this.#signal, async ({ rows }) => {
      const locked = keys.filter((key) => rows.has(keyText(key)));
      for (const flaw of await ledger.readFlaws(locked, this.#signal)) {
        this.findings.push({
          ...plainKey(flaw),
          store: "postgres",
          kind: "corrupt",
          expectedVersion: flaw.version,
          foundVersion: flaw.version,
          evidence: flaw.reason,
        });
      }
    });
  }
}

function isUnderway(row: ConfirmedVersion | undefined, projection: Projection): boolean {
  return row?.underway[projection.store] ?? false;
}

function plainKey(key: MemoryKey): MemoryKey {
  return { namespace: key.namespace, memoryId: key.memoryId };
}
