import type { FeedCursor } from "../domain/change-source.ts";
import { embeddingFromBytes } from "../domain/checksum.ts";
import type { Ending } from "../domain/ending.ts";
import { EpochChangedError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { type FeedPageRow, type FeedPageRows, type FeedParts, readFeedPage } from "../ledger/feed-page-statements.ts";
import type { FeedFilter } from "./feed-filter.ts";
import type { FeedPlace, FollowedPage } from "./follower.ts";

/** One change of a memory, as a reader behind a filter is told of it. */
export interface FeedChange extends MemoryKey {
  /**
   * `put`: the memory is as `document` says. `deleted`: it is deleted. `withdrawn`: it goes on without this reader, which must
   * forget it: it became private, or does not pass the filter any more.
   */
  readonly kind: "put" | "deleted" | "withdrawn";
  /** Why it ended, or `withdrawn`. Null of a `put`. */
  readonly reason: Ending | null;
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  readonly transactionId: string;
  readonly versionVector: VersionVector;
  /** Null unless `put`, and where privacy withholds it: it would confirm a guess at the content. */
  readonly checksum: string | null;
  /** `redacted`: content, metadata and embedding are withheld. Null unless `put`. */
  readonly document: FeedDocument | null;
  /** Null unless `put` and asked for; also where the memory has none, or privacy withholds it. */
  readonly embedding: Float32Array | null;
  /** Behind this change. */
  readonly cursor: FeedCursor;
}

/** A document as a reader is told of it: what privacy withholds is absent. */
export type FeedDocument = Omit<MemoryDocument, "content" | "metadata"> &
  Partial<Pick<MemoryDocument, "content" | "metadata">>;

export interface FeedChanges extends FollowedPage {
  readonly epoch: string;
  readonly changes: readonly FeedChange[];
  /** Memories whose document is missing or damaged in the ledger: what they say, and to which readers, is not known. */
  readonly damaged: readonly (MemoryKey & { readonly version: number })[];
  readonly horizon: bigint;
  readonly newest: bigint;
}

/** What a reader asks for. */
export interface FeedQuery {
  /** Null: from the start, in whatever epoch. */
  readonly place: FeedPlace | null;
  readonly filter: FeedFilter;
  readonly parts: FeedParts;
  /** Changes per page, at most. */
  readonly limit: number;
}

/** Rows that one statement looks at for a filter, at most: some milliseconds. */
const SCAN_MAX = 5_000;
/** The same for a filter of memories, which reads the document of each. */
const SCAN_WHERE_MAX = 1_000;
/** Bytes of documents and embeddings in one page, at most, but for a single change that is larger. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;

/** Reads one page. @throws {EpochChangedError} The place is of another history. */
export async function readPage(sql: Sql, query: FeedQuery): Promise<FeedChanges> {
  const { place, filter, parts, limit } = query;
  const cursor = place?.cursor ?? { xid: "0", seq: "0" };
  const page = await readFeedPage(sql, {
    reading: filter.reading,
    cursor,
    namespaces: filter.namespaces,
    where: filter.where?.condition ?? null,
    applyPrivacy: filter.privacy === "applied",
    parts,
    limit,
    scanMax: Math.max(limit, filter.where === null ? SCAN_MAX : SCAN_WHERE_MAX),
    bytesMax: PAGE_BYTES_MAX,
  });
  checkHistory(place, page);
  const [damaged, sound] = [page.rows.filter(isDamaged), page.rows.filter((row) => !isDamaged(row))];
  const changes = sound.flatMap((row) => toChange(row, filter, parts) ?? []);
  return {
    epoch: page.epoch,
    changes,
    damaged: damaged.map(({ namespace, memoryId, version }) => ({ namespace, memoryId, version })),
    cursor: page.last ?? cursor,
    size: changes.length,
    complete: page.complete,
    horizon: page.horizon,
    newest: page.newest,
  };
}

/** A cursor beyond the newest transaction was made by a history that this database does not have. */
function checkHistory(place: FeedPlace | null, { epoch, newest }: FeedPageRows): void {
  if (place === null) return;
  if (place.epoch !== epoch || BigInt(place.cursor.xid) > newest) throw new EpochChangedError(place.epoch, epoch);
}

/** A live memory without a document, as far as the page looked at it. */
function isDamaged(row: FeedPageRow): boolean {
  return row.checksum !== null && row.isMissing;
}

/** Null: the reader is not told. */
function toChange(row: FeedPageRow, { privacy }: FeedFilter, parts: FeedParts): FeedChange | null {
  const { namespace, memoryId, version, transactionId } = row;
  const base = {
    namespace,
    memoryId,
    version,
    modifiedAt: Math.round(row.modifiedAt),
    transactionId,
    versionVector: parseVector(row.versionVector) ?? {},
    cursor: { xid: row.xid, seq: row.seq },
    reason: null,
    checksum: null,
    document: null,
    embedding: null,
  };
  const isPrivate = privacy === "applied" && row.privacy === "local_only";
  if (row.checksum === null || isPrivate || row.isWanted === false) {
    if (!row.wasTold) return null;
    if (row.checksum !== null) return { ...base, kind: "withdrawn", reason: "withdrawn" };
    return { ...base, kind: "deleted", reason: row.endedBy ?? "deleted" };
  }
  const isRedacted = privacy === "applied" && row.privacy !== "full";
  const document = row.document === null ? null : (JSON.parse(row.document) as MemoryDocument);
  if (isRedacted) return { ...base, kind: "put", document: document === null ? null : redacted(document) };
  const embedding = parts === "memories" && row.embedding !== null ? embeddingFromBytes(row.embedding) : null;
  return { ...base, kind: "put", checksum: row.checksum, document, embedding };
}

function redacted({ content: _content, metadata: _metadata, ...rest }: MemoryDocument): FeedDocument {
  return rest;
}
