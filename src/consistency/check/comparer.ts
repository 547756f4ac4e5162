import { type BucketDigests, BucketSet, BucketTally } from "../../domain/buckets.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import type { ConfirmedVersion } from "../../ledger/check-statements.ts";
import { isUnderway } from "../../ledger/check-statements.ts";
import type { LedgerVersion } from "../../ledger/read-statements.ts";
import type { Eviction, Projection, StoredEntry } from "../../stores/projection.ts";
import { foreignTo, identityOf } from "../../stores/traits.ts";
import type { CheckerParts } from "./check-options.ts";
import { classify, type Drift } from "./classify.ts";
import type { FindingLog } from "./finding-log.ts";
import { fitsChecksum } from "./fits-checksum.ts";

/** Memories that are confirmed at a time: bounds for how long rows stay locked. */
const CONFIRMED_MAX = 500;

export interface ComparerOptions {
  /** Whether the data itself is read and hashed, rather than versions and checksums. */
  readonly deep: boolean;
  /** Whether the ledger's own data is looked at; only with `deep`. */
  readonly ledgerToo: boolean;
  readonly projections: readonly Projection[];
  /** Which entries each projection may drop by itself. */
  readonly evictions: ReadonlyMap<Projection, Eviction>;
}

/** What is read of a page of memories, to be compared. */
interface PageView {
  /** By key text; only for `deep`. */
  readonly changes: ReadonlyMap<string, MemoryChange>;
  /** Memories (key texts) whose ledger data is itself damaged; only for `deep`. */
  readonly flawed: ReadonlySet<string>;
}

const NOTHING_READ: PageView = { changes: new Map(), flawed: new Set() };

/** Compares memories of the ledger with what the projections hold: suspects first, then confirmed under lock. */
export class Comparer {
  readonly #parts: CheckerParts;
  readonly #options: ComparerOptions;
  readonly #log: FindingLog;
  readonly #signal: AbortSignal;
  readonly #tallies = new Map<Projection, BucketTally>();
  /** Live memories that were compared one by one. */
  checked = 0;
  /** Memories that an evicting store dropped: each is read from the ledger when it is asked for. */
  misses = 0;
  /** Bytes of the documents and vectors that were read, of the ledger alone; only for `deep`. */
  bytes = 0;

  constructor(parts: CheckerParts, options: ComparerOptions, log: FindingLog, signal: AbortSignal) {
    this.#parts = parts;
    this.#options = options;
    this.#log = log;
    this.#signal = signal;
  }

  /**
   * Compares rows of the ledger with what each projection holds under the same keys.
   * @returns memories whose difference may be on its way, and which deserve a second look later.
   */
  async compareRows(rows: readonly (LedgerVersion & { readonly bucket?: number })[]): Promise<MemoryKey[]> {
    const keys = rows.map(plainKey);
    const { deep, ledgerToo, projections } = this.#options;
    const [view, ...held] = await Promise.all([
      this.#view(keys),
      ...projections.map((projection) => projection.read(keys, { data: deep }, this.#signal)),
    ]);
    if (ledgerToo && view.flawed.size > 0) {
      await this.#confirmFlaws(keys.filter((key) => view.flawed.has(keyText(key))));
    }
    const underway: MemoryKey[] = [];
    for (const [position, projection] of projections.entries()) {
      const entries = held[position] ?? [];
      rows.forEach(({ bucket }, index) => {
        const state = entries[index]?.state;
        if (bucket !== undefined && (state === "live" || state === "malformed")) this.#seen(projection).count(bucket);
      });
      const suspects = keys.filter((_, index) => this.#compare(projection, rows[index], entries[index] ?? null, view));
      underway.push(...(await this.#confirm(projection, suspects)));
    }
    for (const row of rows) if (row.checksum !== null) this.checked++;
    return underway;
  }

  /**
   * Those of `buckets` in which a projection counted more entries than memories of the ledger were met with there: only
   * these can hold something that the ledger does not know.
   */
  bucketsWithStrangers(projection: Projection, buckets: BucketSet, counted: BucketDigests): BucketSet {
    const seen = this.#seen(projection);
    const suspects = new BucketSet();
    for (const bucket of buckets.values()) {
      if ((counted.counts[bucket] ?? 0) > seen.of(bucket)) suspects.add(bucket);
    }
    return suspects;
  }

  #seen(projection: Projection): BucketTally {
    let tally = this.#tallies.get(projection);
    if (tally === undefined) {
      tally = new BucketTally();
      this.#tallies.set(projection, tally);
    }
    return tally;
  }

  /** Looks among entries of a projection for those that the ledger does not know. */
  async compareStrangers(projection: Projection, entries: readonly StoredEntry[]): Promise<void> {
    const candidates = entries.filter((entry) => entry.state !== "tombstone");
    if (candidates.length === 0) return;
    const known = await this.#parts.ledger.readVersions(candidates, this.#signal);
    const strangers = candidates.filter((entry) => !known.has(keyText(entry)));
    await this.#confirm(projection, strangers.map(plainKey));
  }

  async #view(keys: readonly MemoryKey[]): Promise<PageView> {
    if (!this.#options.deep || keys.length === 0) return NOTHING_READ;
    const [changes, flaws] = await Promise.all([
      this.#parts.ledger.readChanges(keys, this.#signal),
      this.#parts.ledger.readFlaws(keys, this.#signal),
    ]);
    for (const change of changes.values()) {
      if (change.kind === "put") this.bytes += change.documentJson.length + (change.embedding?.byteLength ?? 0);
    }
    return { changes, flawed: new Set(flaws.map(keyText)) };
  }

  #compare(
    projection: Projection,
    row: LedgerVersion | undefined,
    entry: StoredEntry | null,
    view: PageView,
  ): Drift | null {
    const eviction = this.#options.evictions.get(projection) ?? "none";
    const drift = classify(projection.traits, row, entry, this.#parts.now(), eviction);
    if (row === undefined || this.#isMiss(drift)) return drift;
    const expected = view.changes.get(keyText(row));
    if (expected?.kind !== "put" || expected.version !== row.version) return drift;
    const foreign = foreignTo(projection.traits, expected);
    // Whatever the index holds instead: publishing the ledger's vector again is no way out.
    if (foreign !== null) return { kind: "foreign", evidence: foreign };
    if (entry?.state !== "live") return drift;
    // Which side differs can't be told while the ledger's own is damaged: that is found as such, and mended first.
    if (drift?.kind === "diverged" && view.flawed.has(keyText(row))) return null;
    if (drift?.kind === "diverged" && entry.data?.documentJson != null) {
      // Another content, or this one damaged: only a content that is whole in itself stands against the ledger's.
      return fitsChecksum(entry, expected)
        ? drift
        : { kind: "corrupt", evidence: "the data does not fit the checksum" };
    }
    if (drift !== null) return drift;
    // A vector is judged by the ledger's, which must be sound for that.
    if (entry.data?.documentJson == null && view.flawed.has(keyText(row))) return drift;
    const flaw = projection.flaw(entry, expected);
    return flaw === null ? drift : { kind: "corrupt", evidence: flaw };
  }

  #isMiss(drift: Drift | null): boolean {
    return drift?.kind === "missing" && drift.evicted === true;
  }

  /** Looks again while the rows are locked: nobody can be writing these memories then. @returns those on their way. */
  async #confirm(projection: Projection, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
    const underway: MemoryKey[] = [];
    for (let start = 0; start < keys.length; start += CONFIRMED_MAX) {
      underway.push(...(await this.#confirmSome(projection, keys.slice(start, start + CONFIRMED_MAX))));
    }
    return underway;
  }

  async #confirmSome(projection: Projection, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
    const { ledger, overdueMs } = this.#parts;
    const { deep } = this.#options;
    return await ledger.confirming(keys, overdueMs, this.#signal, async ({ rows, busy }) => {
      const isSettled = (key: MemoryKey): boolean =>
        !busy.has(keyText(key)) && !isOnItsWay(rows.get(keyText(key)), projection);
      const settled = keys.filter(isSettled);
      const underway = keys.filter((key) => !isSettled(key));
      if (settled.length === 0) return underway;
      const view = await this.#view(settled.filter((key) => rows.has(keyText(key))));
      const entries = await projection.read(settled, { data: deep }, this.#signal);
      // There was no row to lock for a memory that the ledger does not know: it may have been created since.
      const unknown = settled.filter((key) => !rows.has(keyText(key)));
      const created = unknown.length === 0 ? null : await ledger.readVersions(unknown, this.#signal);
      const drifts = settled.map((key, index) =>
        created?.has(keyText(key))
          ? null
          : this.#compare(projection, rows.get(keyText(key)), entries[index] ?? null, view),
      );
      const judged = deep ? drifts : await this.#withForeign(projection, settled, drifts);
      settled.forEach((key, index) => {
        const drift = judged[index] ?? null;
        const entry = entries[index] ?? null;
        if (drift === null) return;
        if (this.#isMiss(drift)) this.misses++;
        else this.#add(projection, key, rows.get(keyText(key)), entry, drift);
      });
      return underway;
    });
  }

  /** What the index lacks, or holds otherwise, because it cannot hold the ledger's vector: only that vector tells. */
  async #withForeign(
    projection: Projection,
    keys: readonly MemoryKey[],
    drifts: readonly (Drift | null)[],
  ): Promise<readonly (Drift | null)[]> {
    const differing = keys.filter((_, index) => drifts[index] != null);
    if (projection.traits.vectorShape === undefined || differing.length === 0) return drifts;
    const changes = await this.#parts.ledger.readChanges(differing, this.#signal);
    return drifts.map((drift, index) => {
      if (drift === null) return drift;
      const change = changes.get(keyText(keys[index] as MemoryKey));
      const evidence = foreignTo(projection.traits, change);
      return evidence === null ? drift : { kind: "foreign", evidence };
    });
  }

  #add(
    projection: Projection,
    key: MemoryKey,
    row: LedgerVersion | undefined,
    entry: StoredEntry | null,
    drift: Drift,
  ): void {
    this.#log.add({
      ...key,
      store: projection.id,
      kind: drift.kind,
      expectedVersion: row?.version ?? null,
      foundVersion: entry === null || entry.state === "malformed" ? null : entry.version,
      evidence: drift.evidence,
    });
  }

  /** Damage in the ledger itself: document or vector no longer fit the recorded checksum. */
  async #confirmFlaws(keys: readonly MemoryKey[]): Promise<void> {
    const { ledger, overdueMs } = this.#parts;
    await ledger.confirming(keys, overdueMs, this.#signal, async ({ rows }) => {
      const locked = keys.filter((key) => rows.has(keyText(key)));
      for (const flaw of await ledger.readFlaws(locked, this.#signal)) {
        this.#log.add({
          ...plainKey(flaw),
          store: LEDGER_ID,
          kind: "corrupt",
          expectedVersion: flaw.version,
          foundVersion: flaw.version,
          evidence: flaw.reason,
        });
      }
    });
  }
}

function isOnItsWay(row: ConfirmedVersion | undefined, projection: Projection): boolean {
  return row !== undefined && isUnderway(row.underway, identityOf(projection));
}
