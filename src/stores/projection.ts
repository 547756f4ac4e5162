import type { BucketDigests, BucketSet } from "../domain/buckets.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryChange, PutChange } from "../domain/memory.ts";
import type { ProjectionHealth, StoreId } from "../domain/store-id.ts";
import type { ProjectionTraits } from "./traits.ts";

/** One chunk of a transaction, before it is committed. */
export interface PreparedBatch {
  /** The transaction's id; names the batch until it is published or discarded. */
  readonly token: string;
  /**
   * What will be published, as expected: a batch is prepared while its rows are written. Versions and times may come out
   * otherwise, and some of the changes may not be published at all. Key and checksum tell which is which. Empty: the store
   * only has to say whether it takes writes now.
   */
  readonly changes: readonly MemoryChange[];
}

/** A store's entry under a key, unverified. */
export type StoredEntry = LiveEntry | TombstoneEntry | MalformedEntry;

export interface LiveEntry extends MemoryKey {
  readonly state: "live";
  readonly version: number;
  readonly checksum: string;
  /** Milliseconds since 1970; null where the store does not keep it. */
  readonly modifiedAt: number | null;
  /** Only after a read with `data: true`. */
  readonly data?: EntryData | undefined;
}

/** The stored bytes of an entry, for verification and as evidence. */
export interface EntryData {
  /** Canonical JSON of the document as stored; null where the store keeps vectors only. */
  readonly documentJson: Buffer | null;
  /** float32 little-endian as stored; null where the store holds no vector for this memory. */
  readonly embedding: Buffer | null;
  /** Version vector as JSON text; null where the store does not keep it. */
  readonly versionVector: string | null;
  /** The entry digest as stored; absent where the store does not keep it. */
  readonly digest?: string | null | undefined;
}

/** A version at which the store shows nothing. It rejects late publishes of older versions. */
export interface TombstoneEntry extends MemoryKey {
  readonly state: "tombstone";
  readonly version: number;
}

/** Data under a key of this program that is not a valid entry. */
export interface MalformedEntry extends MemoryKey {
  readonly state: "malformed";
  /** The defect, as text for people. */
  readonly reason: string;
  /** The bytes in the store's own serialization, as evidence. Only after a read with `data: true`. */
  readonly raw?: Buffer | undefined;
  /**
   * The layout that the entry names, where it is not the layout of this program. Such an entry is no damage: a cache miss,
   * never drift. The store does not decode it, keeps no evidence of it, and leaves it out of scans, digests and counts.
   */
  readonly otherFormat?: string | undefined;
}

/** What tells a live entry from every other one under its key, in few bytes. */
export interface EntryIdentity extends MemoryKey {
  /** The entry digest as stored: of the key, the version and the checksum. */
  readonly digest: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** One page of a scan. Entries may repeat between pages; no entry that exists throughout the scan is left out. */
export interface ScanPage {
  readonly entries: readonly StoredEntry[];
  /** The cursor of the next page; null at the end. */
  readonly cursor: string | null;
}

export interface ScanOptions {
  /** Entries wanted per page; a page may hold somewhat more or fewer. @default 1_000 */
  readonly limit?: number | undefined;
  /** Only entries whose bucket is in the set. */
  readonly buckets?: BucketSet | undefined;
}

/**
 * Makes the store hold `change` (null: no entry) if it still holds `found` (null: no entry). This compare-and-set is the
 * only way to override the rule that versions never go back; repairs use it after they have proven the store's contents.
 */
export interface Replacement {
  readonly key: MemoryKey;
  readonly found: StoredEntry | null;
  readonly change: MemoryChange | null;
}

/** The ledger that owns a shared store's contents. */
export interface StoreOwner {
  /** Permanent id of the ledger. */
  readonly ledger: string;
  /** Epoch of the ledger when it wrote the brand. */
  readonly epoch: string;
}

/** The record that a ledger writes to a shared store, atomically and in one place. */
export interface StoreBrand {
  readonly owner: StoreOwner;
  /** The ledger's latest mark; empty when there is none yet. */
  readonly mark: string;
}

/** The owner and the incarnation that a shared store reports. */
export interface StoreStanding {
  /** The stored brand; null when no ledger has written one, or it was lost. */
  readonly brand: StoreBrand | null;
  /**
   * Identifies the uninterrupted run of the servers that hold the data. After it changes, recent writes may be lost: the
   * server restarted from an older file, or failed over to a lagging replica. Null: the store cannot tell.
   */
  readonly life: string | null;
}

/** The entries that a full store may evict: none, those with an expiry, or any. */
export type Eviction = "none" | "expiring" | "all";

/**
 * A store that holds a copy of the ledger and can be rebuilt from it. It shows committed versions only, and version n
 * is never seen after n + 1: both are enforced inside the store, by one script or one host call, never by reading
 * first and writing then. Every adapter passes `test/conformance/projection.ts`.
 *
 * Every call takes a signal that carries its deadline. All of them reject with
 * @throws {StoreUnavailableError} No usable answer in time: what was asked may or may not have happened.
 * @throws {StoreRefusedError} The store answered and said no: nothing of the call has happened.
 */
export interface Projection {
  readonly id: StoreId;

  readonly traits: ProjectionTraits;

  /**
   * Whether a publish without a prepare before it is as good. Then writes of up to 128 memories do without, and a lone one is sent to the
   * ledger together with its COMMIT. Never where a store has to accept a write before (`onStoreDown: "reject"`). Absent: each write is
   * prepared.
   */
  readonly publishesUnprepared?: boolean;

  /** Proves that the store would accept the batch now. Makes no change that a reader could see. */
  prepare(batch: PreparedBatch, signal: AbortSignal): Promise<void>;

  /**
   * Makes committed changes visible, each unless the store holds that version or a newer one. Idempotent: a second call
   * writes nothing and answers `stale`. With the token of a prepared batch it uses the held data, by key and checksum; a
   * publish under an unknown token (the store has restarted since) succeeds too.
   *
   * A change of an earlier history must not be shown: the ledger was put back, and the store was compared since. So a store
   * that knows the ledger's epoch compares it with `epoch` inside of the store, in the step that makes the changes visible.
   * A shared store knows it from its brand; one without a brand takes every epoch.
   *
   * The caller believes a `stale` answer only after a `read` of the same key. The read must return the held version, no
   * older than the change, with its checksum or as a tombstone. The caller compares it with the ledger.
   * @param epoch the ledger's epoch when the changes were written or read. Absent: it is not compared.
   * @returns one answer per change, in order.
   * @throws {StoreEpochError} The store bears another epoch: no change of the call that had not been made visible will be.
   */
  publish(
    changes: readonly MemoryChange[],
    signal: AbortSignal,
    token?: string,
    epoch?: string,
  ): Promise<("applied" | "stale")[]>;

  /** Discards a prepared batch. Idempotent, and safe for an unknown token. */
  discard(token: string, signal: AbortSignal): Promise<void>;

  /** The entry under each key, in order; null where there is none. `data` reads the bytes too. */
  read(keys: readonly MemoryKey[], options: { data: boolean }, signal: AbortSignal): Promise<(StoredEntry | null)[]>;

  /**
   * Whether each of these entries, read and proven before, is still the live one under its key, in order. Costs the store a
   * fraction of reading it again. Absent: the store has to be read.
   */
  unchanged?(entries: readonly EntryIdentity[], signal: AbortSignal): Promise<boolean[]>;

  /** Scans all entries: live, tombstones and malformed. A null cursor starts the scan. */
  scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage>;

  /** Count, xor and sum of the digests of all live entries, by bucket, computed from the entries and not from a counter. */
  digest(signal: AbortSignal): Promise<BucketDigests>;

  /** Number of live entries, counted and not estimated. */
  count(signal: AbortSignal): Promise<number>;

  /**
   * Compares the bytes of `entry` (read with data) with `expected`, given that version and checksum agree.
   * @returns null when they are equal, otherwise the difference as text for people.
   */
  flaw(entry: LiveEntry, expected: PutChange): string | null;

  /** @returns per replacement `applied`, or `moved` when the store no longer held the found entry. */
  replace(replacements: readonly Replacement[], signal: AbortSignal): Promise<("applied" | "moved")[]>;

  /** The entries that the store may evict now; absent: none. An evictable entry that is absent is a cache miss, not drift. */
  eviction?(signal: AbortSignal): Promise<Eviction>;

  /**
   * For a shared store: its owner, and whether its contents may have gone back. Requires `brand`. Called at the start, at
   * intervals, and after `links` has changed. Absent: two ledgers that share the store go unnoticed, and only the sweep
   * finds a store that came back with older contents.
   */
  standing?(signal: AbortSignal): Promise<StoreStanding>;

  /**
   * Writes a brand atomically if the current brand's owner is still `found` (null: none).
   * @returns false when the store has another owner; nothing was changed.
   */
  brand?(found: StoreOwner | null, brand: StoreBrand, signal: AbortSignal): Promise<boolean>;

  /**
   * Binds the store to this ledger. Calls reject with `StoreForeignError` once the store detects another owner; it checks
   * again after each lost connection.
   */
  admit?(ledger: string): void;

  /** Number of lost connections so far; after each, the store may be another one. Absent: the store cannot tell. */
  readonly links?: number;

  /**
   * Identifies the contents since the store was last empty; a new value means that all entries may be gone. A store with
   * `standing` does not need it.
   */
  generation?(signal: AbortSignal): Promise<string>;

  /** For a store of scope `node`: maximum lag behind the ledger's feed, in milliseconds; null when unknown. */
  readonly lagMs?: number | null | undefined;

  /**
   * For a store of scope `node` that keeps its own cursor: applies the changes of other nodes. For a store without it, a
   * feed follower of this node does so.
   */
  catchUp?(signal: AbortSignal): Promise<unknown>;

  /**
   * Removes what the store keeps of ended memories out of its readers' reach: vectors of dead entries, snapshots, files that
   * were set aside. Called after memories were erased, and after their tombstones were read back. Absent: the store keeps
   * nothing of a memory that has ended.
   */
  forget?(signal: AbortSignal): Promise<unknown>;

  /** Persists the contents if the store can, and releases its resources. The owner calls it once; absent: not needed. */
  close?(): Promise<void>;

  /** Never rejects: a store that does not answer is `down`. */
  health(signal: AbortSignal): Promise<ProjectionHealth>;
}

export type { ProjectionHealth };
