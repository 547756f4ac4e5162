import type { FeedCursor } from "../../domain/change-source.ts";
import type { Ending } from "../../domain/ending.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { PageRow, ScanQuery } from "../../ledger/find-statements.ts";
import type { HistoricVersion } from "../../ledger/history-statements.ts";
import type { SortField } from "../../ledger/sort-expression.ts";
import type { TextHit, TextQuery } from "../../ledger/text-statements.ts";
import type { CountedStretch } from "../../read/finder.ts";

/** How far the replica has followed the primary. Committed with its data, and read in the same statement. */
export interface ReplicaStanding {
  /** Of the primary's history; null: nothing complete has arrived yet, or it is being compared with a new epoch. */
  readonly epoch: string | null;
  readonly cursor: FeedCursor;
  /** The newest tombstone that the primary had pruned when the replica began to read at the start; null: none. */
  readonly prunedAtStart: FeedCursor | null;
}

/** What the replica holds of a memory. */
export interface ReplicaRow {
  readonly memoryId: string;
  /** The newest version that the replica knows, an ending included. */
  readonly version: number;
  /** Why that version is an ending; null: the memory is alive, as far as the replica knows. */
  readonly endedBy: Ending | null;
  /** Whether the memory is alive and its `expiresAt` has passed, by the replica's clock. */
  readonly isExpired: boolean;
  /** What an order by time goes by; null in the order of ids. See `ScanPlace`. */
  readonly sort: string | null;
}

/** The version whose content stands for a row: that of an ending is the version before it. */
export function contentVersionOf({ version, endedBy }: Pick<ReplicaRow, "version" | "endedBy">): number {
  return endedBy === null ? version : version - 1;
}

export interface ReplicaRows {
  readonly standing: ReplicaStanding;
  readonly rows: readonly ReplicaRow[];
}

/** A step of a list on the replica: rows that may be shown, of which the primary has the last word. */
export interface ReplicaPage extends ReplicaRows {
  /** Rows that were looked at: fewer than `rowsMax` at the end. */
  readonly scanned: number;
  /** The place behind which the next step begins; null: nothing was looked at. */
  readonly last: { readonly memoryId: string; readonly sort: string | null } | null;
}

export interface ReplicaQuery extends ScanQuery {
  readonly sortField: SortField | null;
  readonly isDescending: boolean;
  /** Whether memories that expired are among the rows. */
  readonly archive: boolean;
}

/** Names the content of a row. */
export interface ContentKey {
  readonly memoryId: string;
  readonly version: number;
}

export interface ContentQuery {
  readonly namespace: string;
  readonly wanted: readonly ContentKey[];
  readonly withEmbedding: boolean;
  /** Bytes of documents and embeddings at most, but for the first one. */
  readonly bytesMax: number;
}

/** A memory's version with its content, or the fact that it did not fit any more. */
export interface ReplicaContent extends PageRow {
  readonly fits: boolean;
}

/** What the replica holds of a memory, before its versions are read. */
export interface ReplicaHistory extends ReplicaRows {
  /** The newest version that is an ending other than an expiry; 0: there is none. It and those before it stay away for good. */
  readonly endedThrough: number;
}

/** A page of the versions of a memory. */
export interface VersionQuery extends MemoryKey {
  /** Only older ones. */
  readonly before: number;
  /** Only newer ones. */
  readonly after: number;
  readonly limit: number;
}

/** Reads the replica. Each call is one statement, and sees the standing and the rows of one moment. */
export interface ReplicaReads {
  /** Has a connection ready for the statement of `standing`: far away, making one takes longer than a read may. */
  connect(signal: AbortSignal): Promise<void>;
  standing(signal: AbortSignal): Promise<ReplicaStanding>;
  /** The rows of `memoryIds` that the replica has. */
  readRows(namespace: string, memoryIds: readonly string[], signal: AbortSignal): Promise<ReplicaRows>;
  /** Whether the replica has the index of an order; null: of ids, which it has. */
  canOrder(field: SortField | null, signal: AbortSignal): Promise<boolean>;
  /** Rows whose content is there. */
  listRows(query: ReplicaQuery, signal: AbortSignal): Promise<ReplicaPage>;
  /** Contents in the order of `wanted`, without those that are gone. */
  readContents(query: ContentQuery, signal: AbortSignal): Promise<readonly ReplicaContent[]>;
  /** Null: the replica has no index of words in this language. */
  searchText(query: TextQuery, signal: AbortSignal): Promise<readonly TextHit[] | null>;
  readHistory(key: MemoryKey, signal: AbortSignal): Promise<ReplicaHistory>;
  /** Newest first. */
  readVersions(query: VersionQuery, signal: AbortSignal): Promise<readonly HistoricVersion[]>;
}

/** A memory's narrow row in the primary. */
export interface PrimaryRow {
  readonly version: number;
  /** Null: alive. */
  readonly endedBy: Ending | null;
  /** Whether it is alive and its `expiresAt` has passed. */
  readonly isExpired: boolean;
}

/** The primary's word on memories that only the replica showed: all of one moment. */
export interface PrimaryFacts {
  readonly epoch: string;
  /** The place of the newest tombstone that was pruned; null: none was. */
  readonly tombstonesPruned: FeedCursor | null;
  /** By memory id, tombstones included. An id that is missing is unknown to the primary. */
  readonly rows: ReadonlyMap<string, PrimaryRow>;
  /** Ids of which the replica refused a change for good: what it holds of them is outdated. */
  readonly refused: ReadonlySet<string>;
  /**
   * Ids of memories that were written since `PrimarySince`, or whose `expiresAt` has passed since then, or passes within
   * `EXPIRING_MS`. Empty where that was not asked for.
   */
  readonly unsettled: ReadonlySet<string>;
}

/** Milliseconds after a look-up within which an expiry is told in `PrimaryFacts.unsettled`. */
export const EXPIRING_MS = 30_000;

/** A moment of the primary. */
export type PrimarySince = Pick<CountedStretch, "snapshot" | "moment">;

export interface PrimaryLookup {
  /** @param since what was written since then, or expires, is told in `unsettled`; null: nothing is. */
  lookUp(
    namespace: string,
    memoryIds: readonly string[],
    since: PrimarySince | null,
    signal: AbortSignal,
  ): Promise<PrimaryFacts>;
  /** Rows as they were at a moment each, by memory id. One that was not there then, or is not kept, is missing. */
  asOf(
    namespace: string,
    wanted: readonly (PrimarySince & { readonly memoryId: string })[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, PrimaryRow>>;
}
