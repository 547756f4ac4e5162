import { type BucketDigests, BucketSet, BucketTally } from "../../domain/buckets.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import type { ConfirmedVersion } from "../../ledger/check-statements.ts";
import { isUnderway } from "../../ledger/check-statements.ts";
import type { LedgerVersion } from "../../ledger/read-statements.ts";
import type { Projection, StoredEntry } from "../../stores/projection.ts";
import { foreignTo, identityOf } from "../../stores/traits.ts";
import type { CheckContext, CheckedStore } from "./check-context.ts";
import type { Drift } from "./classify.ts";
import { entryDrift, isMiss } from "./entry-drift.ts";
import type { FindingLog } from "./finding-log.ts";
import { refillEntries } from "./refill-entries.ts";
import type { UnprovenEntries } from "./unproven-entries.ts";

/** Memories confirmed per batch: bounds the time that rows stay locked. */
const CONFIRMED_MAX = 500;

/** Facts about a page of memories beyond versions and checksums. */
interface PageView {
  /** By key text; only for `deep`. */
  readonly changes: ReadonlyMap<string, MemoryChange>;
  /** Memories (key texts) whose ledger data is itself damaged; only for `deep`. */
  readonly flawed: ReadonlySet<string>;
}

const NOTHING_READ: PageView = { changes: new Map(), flawed: new Set() };

/** One memory in the ledger (undefined: unknown there) and in one projection (null: nothing is there). */
interface Pair<Row extends LedgerVersion = LedgerVersion> {
  readonly key: MemoryKey;
  readonly row: Row | undefined;
  readonly entry: StoredEntry | null;
}

interface DriftedPair extends Pair {
  readonly drift: Drift;
}

/** Compares memories of the ledger with the projections: first suspects, then confirmed under lock. */
export class Comparer {
  readonly #context: CheckContext;
  readonly #deep: boolean;
  readonly #log: FindingLog;
  readonly #unproven: UnprovenEntries | null;
  readonly #tallies = new Map<Projection, BucketTally>();
  /** Live memories that were compared one by one. */
  checked = 0;
  /** Memories that a store evicted, or held in another layout: reads get them from the ledger. */
  misses = 0;
  /** Bytes of the documents and vectors that were read, of the ledger alone; only for `deep`. */
  bytes = 0;

  /**
   * @param deep whether the data itself is read and hashed, rather than versions and checksums.
   * @param unproven takes what stores hold of memories that are on their way, where the ledger does not know it.
   */
  constructor(context: CheckContext, log: FindingLog, deep: boolean, unproven: UnprovenEntries | null = null) {
    this.#context = context;
    this.#log = log;
    this.#deep = deep;
    this.#unproven = unproven;
  }

  /** As `compareRows`, of what the ledger holds under these keys by now. */
  async compareKeys(keys: readonly MemoryKey[]): Promise<void> {
    const { parts, signal } = this.#context;
    const { checked } = this;
    await this.compareRows([...(await parts.ledger.readVersions(keys, signal)).values()]);
    this.checked = checked; // They were counted before.
  }

  /**
   * Compares rows of the ledger with what each projection holds under the same keys.
   * @returns memories whose difference may be a write in progress, to be compared again later.
   */
  async compareRows(rows: readonly (LedgerVersion & { readonly bucket?: number })[]): Promise<MemoryKey[]> {
    const { checked, ledgerToo } = this.#context;
    const keys = rows.map(plainKey);
    const [view, stores] = await Promise.all([
      this.#view(keys),
      Promise.all(checked.map(async (store) => ({ store, pairs: await this.#pairs(store, rows) }))),
    ]);
    if (this.#deep && ledgerToo && view.flawed.size > 0) {
      await this.#confirmFlaws(keys.filter((key) => view.flawed.has(keyText(key))));
    }
    const underway: MemoryKey[] = [];
    for (const { store, pairs } of stores) {
      for (const { row, entry } of pairs) {
        const counts = entry?.state === "live" || (entry?.state === "malformed" && entry.otherFormat === undefined);
        if (counts && row?.bucket !== undefined) this.#tally(store.projection).count(row.bucket);
      }
      const suspects = pairs.filter((pair) => this.#compare(store, pair, view) !== null);
      underway.push(
        ...(await this.#confirm(
          store,
          suspects.map(({ key }) => key),
        )),
      );
    }
    for (const row of rows) if (row.checksum !== null) this.checked++;
    return underway;
  }

  /**
   * Those of `buckets` in which a projection counted more entries than the comparison found: only these can hold an entry
   * that the ledger does not know.
   */
  bucketsWithUnknown(projection: Projection, buckets: BucketSet, counted: BucketDigests): BucketSet {
    const tally = this.#tally(projection);
    const suspects = new BucketSet();
    for (const bucket of buckets.values()) {
      if ((counted.counts[bucket] ?? 0) > tally.of(bucket)) suspects.add(bucket);
    }
    return suspects;
  }

  #tally(projection: Projection): BucketTally {
    let tally = this.#tallies.get(projection);
    if (tally === undefined) {
      tally = new BucketTally();
      this.#tallies.set(projection, tally);
    }
    return tally;
  }

  /** Finds entries of a projection that the ledger does not know. */
  async findUnknown(store: CheckedStore, entries: readonly StoredEntry[]): Promise<void> {
    const { parts, signal } = this.#context;
    const candidates = entries.filter((entry) => entry.state !== "tombstone");
    if (candidates.length === 0) return;
    const known = await parts.ledger.readVersions(candidates, signal);
    const unknown = candidates.filter((entry) => !known.has(keyText(entry)));
    await this.#confirm(store, unknown.map(plainKey));
  }

  /** Reads the rows' entries of one projection. */
  async #pairs<Row extends LedgerVersion>({ projection }: CheckedStore, rows: readonly Row[]): Promise<Pair<Row>[]> {
    const entries = await projection.read(rows.map(plainKey), { data: this.#deep }, this.#context.signal);
    return rows.map((row, index) => ({ key: plainKey(row), row, entry: entries[index] ?? null }));
  }

  async #view(keys: readonly MemoryKey[]): Promise<PageView> {
    if (!this.#deep || keys.length === 0) return NOTHING_READ;
    const { parts, signal } = this.#context;
    const [changes, flaws] = await Promise.all([
      parts.ledger.readChanges(keys, signal),
      parts.ledger.readFlaws(keys, signal),
    ]);
    for (const change of changes.values()) {
      if (change.kind === "put") this.bytes += change.documentJson.length + (change.embedding?.byteLength ?? 0);
    }
    return { changes, flawed: new Set(flaws.map(keyText)) };
  }

  #compare({ projection, eviction }: CheckedStore, { row, entry }: Pair, { changes, flawed }: PageView): Drift | null {
    const name = row === undefined || !this.#deep ? null : keyText(row);
    const expected = name === null ? undefined : changes.get(name);
    const isFlawed = name !== null && flawed.has(name);
    return entryDrift(projection, { row, entry, expected, isFlawed, eviction }, this.#context.parts.now());
  }

  /** Compares again under row locks, so that no writer is active. @returns memories with a publish in progress. */
  async #confirm(store: CheckedStore, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
    const underway: MemoryKey[] = [];
    for (let start = 0; start < keys.length; start += CONFIRMED_MAX) {
      underway.push(...(await this.#confirmSome(store, keys.slice(start, start + CONFIRMED_MAX))));
    }
    return underway;
  }

  async #confirmSome(store: CheckedStore, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
    const { parts, signal } = this.#context;
    const { ledger, overdueMs } = parts;
    return await ledger.confirming(keys, overdueMs, signal, async ({ rows, busy }) => {
      const isSettled = (key: MemoryKey): boolean =>
        !busy.has(keyText(key)) && !isOnItsWay(rows.get(keyText(key)), store.projection);
      const settled = keys.filter(isSettled);
      const underway = keys.filter((key) => !isSettled(key));
      await this.#unproven?.examine(store.projection, underway, signal);
      if (settled.length === 0) return underway;
      const view = await this.#view(settled.filter((key) => rows.has(keyText(key))));
      const entries = await store.projection.read(settled, { data: this.#deep }, signal);
      // A memory that the ledger does not know has no row to lock: it may have been created since.
      const unknown = settled.filter((key) => !rows.has(keyText(key)));
      const created = unknown.length === 0 ? null : await ledger.readVersions(unknown, signal);
      const late = created === null ? [] : unknown.filter((key) => created.has(keyText(key)));
      await this.#unproven?.examine(store.projection, late, signal);
      const drifted = settled.flatMap((key, index): DriftedPair[] => {
        if (created?.has(keyText(key))) return [];
        const pair = { key, row: rows.get(keyText(key)), entry: entries[index] ?? null };
        const drift = this.#compare(store, pair, view);
        return drift === null ? [] : [{ ...pair, drift }];
      });
      for (const found of this.#deep ? drifted : await this.#withForeign(store, drifted)) {
        if (isMiss(found.drift)) this.misses++;
        else this.#add(store.projection, found);
      }
      const refilled = drifted.filter(({ entry, drift }) => isMiss(drift) && entry?.state === "malformed");
      // Under the locks, so that the store gets what the ledger holds now.
      await refillEntries(
        this.#context,
        store.projection,
        refilled.map(({ key }) => key),
      );
      return underway;
    });
  }

  /** Marks vectors that the store cannot hold as `foreign`. This needs the ledger's vector, which is read here. */
  async #withForeign({ projection }: CheckedStore, drifted: readonly DriftedPair[]): Promise<readonly DriftedPair[]> {
    if (projection.traits.vectorShape === undefined || drifted.length === 0) return drifted;
    const keys = drifted.map(({ key }) => key);
    const changes = await this.#context.parts.ledger.readChanges(keys, this.#context.signal);
    return drifted.map((found) => {
      const evidence = foreignTo(projection.traits, changes.get(keyText(found.key)));
      return evidence === null ? found : { ...found, drift: { kind: "foreign", evidence } };
    });
  }

  #add({ id: store }: Projection, { key, row, entry, drift }: DriftedPair): void {
    this.#log.add({
      ...key,
      store,
      kind: drift.kind,
      expectedVersion: row?.version ?? null,
      foundVersion: entry === null || entry.state === "malformed" ? null : entry.version,
      evidence: drift.evidence,
    });
  }

  /** Damage in the ledger itself: document or vector no longer fit the recorded checksum. */
  async #confirmFlaws(keys: readonly MemoryKey[]): Promise<void> {
    const { parts, signal } = this.#context;
    await parts.ledger.confirming(keys, parts.overdueMs, signal, async ({ rows }) => {
      const locked = keys.filter((key) => rows.has(keyText(key)));
      for (const flaw of await parts.ledger.readFlaws(locked, signal)) {
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
