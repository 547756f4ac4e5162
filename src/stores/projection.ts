import type { BucketDigests, BucketSet } from "../domain/buckets.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryChange, PutChange } from "../domain/memory.ts";
import type { ProjectionHealth, StoreId } from "../domain/store-id.ts";
import type { ProjectionTraits } from "./traits.ts";

/** One chunk of a transaction, before it is committed. */
export interface PreparedBatch {
  /** The transaction's id; names the batch until it is published or discarded. */
  readonly token: string;
  readonly changes: readonly MemoryChange[];
}

/** What a store holds under a key, without judging it. */
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

/** The bytes that a store holds, for proving them and for keeping them as evidence. */
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

/** A version at which the store is known to show nothing, which fends off late publishes of older ones. */
export interface TombstoneEntry extends MemoryKey {
  readonly state: "tombstone";
  readonly version: number;
}

/** Something stands under a key of ours that is no entry of ours. */
export interface MalformedEntry extends MemoryKey {
  readonly state: "malformed";
  /** What is wrong with it, for people. */
  readonly reason: string;
  /** Its bytes as the store serializes them, for evidence. Only after a read with `data: true`. */
  readonly raw?: Buffer | undefined;
}

/** One page of a scan. Entries may repeat between pages; none that was there throughout is left out. */
export interface ScanPage {
  readonly entries: readonly StoredEntry[];
  /** Where to go on; null at the end. */
  readonly cursor: string | null;
}

export interface ScanOptions {
  /** Entries wanted per page; a page may hold somewhat more or fewer. @default 1_000 */
  readonly limit?: number | undefined;
  /** Only entries whose bucket is in the set. */
  readonly buckets?: BucketSet | undefined;
}

/**
 * Makes the store hold `change`, or nothing when it is null, provided that it still holds `found` (null: no entry):
 * the one way to overrule the rule that versions never go back, for repairs that have proven what is there.
 */
export interface Replacement {
  readonly key: MemoryKey;
  readonly found: StoredEntry | null;
  readonly change: MemoryChange | null;
}

/** Whose copy a shared store is. */
export interface StoreOwner {
  /** Names the ledger for good. */
  readonly ledger: string;
  /** Names the history in which the ledger was when it left this here. */
  readonly epoch: string;
}

/** What a ledger leaves in a shared store, in one place and in one step. */
export interface StoreBrand {
  readonly owner: StoreOwner;
  /** The ledger's latest mark; empty: none yet. */
  readonly mark: string;
}

/** What a shared store says of itself. */
export interface StoreStanding {
  /** The brand as it was left; null: no ledger has left one, or it is gone. */
  readonly brand: StoreBrand | null;
  /**
   * Names the time for which the servers that hold the data have run without a break. In another life, what was written
   * lately may be gone: a restart from an older file, a failover to a replica that lagged. Null: the store cannot tell.
   */
  readonly life: string | null;
}

/** Which entries a store may drop by itself when it is full: none, those that expire anyway, or any. */
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

  /** Proves that the batch would be accepted right now. Changes nothing that a reader could see. */
  prepare(batch: PreparedBatch, signal: AbortSignal): Promise<void>;

  /**
   * Makes committed changes visible, each unless the store holds that version or a newer one: calling it twice is safe,
   * the second call writes nothing and answers `stale`. With the token of a prepared batch it uses what was held for
   * it; a token that the store does not know (it restarted since) is no obstacle.
   *
   * A `stale` answer is believed only after a `read` of the same key: it must show the version that the store holds, no
   * older than the change, with its checksum or as a tombstone. The caller compares that with the ledger.
   * @returns one answer per change, in order.
   */
  publish(changes: readonly MemoryChange[], signal: AbortSignal, token?: string): Promise<("applied" | "stale")[]>;

  /** Forgets a prepared batch. Safe for an unknown token, and twice. */
  discard(token: string, signal: AbortSignal): Promise<void>;

  /** What is held under each key, in order; null where nothing is. `data` reads the bytes too. */
  read(keys: readonly MemoryKey[], options: { data: boolean }, signal: AbortSignal): Promise<(StoredEntry | null)[]>;

  /** Walks over all entries, live, dead and malformed. Starts with a cursor of null. */
  scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage>;

  /** Count, xor and sum of the entry digests of all live entries, by bucket, from what is there, not from a tally. */
  digest(signal: AbortSignal): Promise<BucketDigests>;

  /** Number of live entries, counted. */
  count(signal: AbortSignal): Promise<number>;

  /**
   * Whether the bytes of `entry` (read with data) are those that `expected` says, given that version and checksum agree.
   * @returns null when they are, else what differs, for people.
   */
  flaw(entry: LiveEntry, expected: PutChange): string | null;

  /** @returns per replacement `applied`, or `moved` when the store no longer held what was found. */
  replace(replacements: readonly Replacement[], signal: AbortSignal): Promise<("applied" | "moved")[]>;

  /** Which entries it may drop by itself at the moment; absent: none. What it may drop is missed, not missing. */
  eviction?(signal: AbortSignal): Promise<Eviction>;

  /**
   * For a shared store: whose copy it is, and whether it may have gone back. With it goes `brand`. Asked at the start, at
   * intervals, and after `links` has changed. Absent: two ledgers may share the store unnoticed, and one that came back
   * with older contents is found by the sweep alone.
   */
  standing?(signal: AbortSignal): Promise<StoreStanding>;

  /**
   * Puts a brand in place, in one step, provided that the brand's owner is still `found` (null: none).
   * @returns false when another one stands there: nothing was changed.
   */
  brand?(found: StoreOwner | null, brand: StoreBrand, signal: AbortSignal): Promise<boolean>;

  /**
   * From now on the store is this ledger's copy: where it can tell that it became another's (it looks again after each
   * loss of its link), calls reject with `StoreForeignError`.
   */
  admit?(ledger: string): void;

  /** How often the link to the store was lost so far: meanwhile it may have become another one. Absent: never known. */
  readonly links?: number;

  /**
   * Names the contents since they last began from nothing; another name means that all of them may be gone. A store with
   * `standing` needs none.
   */
  generation?(signal: AbortSignal): Promise<string>;

  /** For a store of scope `node`: milliseconds by which it may be behind the ledger's feed; null when that is not known. */
  readonly lagMs?: number | null | undefined;

  /**
   * For a store of scope `node` that keeps a cursor of its own: applies what other nodes wrote since. A store without it
   * is brought up to date by a follower of this node.
   */
  catchUp?(signal: AbortSignal): Promise<unknown>;

  /** Makes what it holds survive a restart where it can, and ends. Called once, by the owner; absent: nothing to end. */
  close?(): Promise<void>;

  /** Never rejects: a store that does not answer is `down`. */
  health(signal: AbortSignal): Promise<ProjectionHealth>;
}

export type { ProjectionHealth };
