import type { FeedCursor } from "../domain/change-source.ts";
import type { Ending } from "../domain/ending.ts";
import { asksFor, type Condition } from "../domain/filter/filter.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { endingOf, feedRows, isSuperseded, replacedRows, wideRow } from "./body-rows.ts";
import { whereCondition } from "./where.ts";

/** Parts of a memory that a page has. */
export type FeedParts = "keys" | "documents" | "memories";

/**
 * Versions that a page has: each one that is kept, in order per memory (`versions`), or of each memory the latest one below
 * the horizon (`changes`).
 */
export type FeedReading = "versions" | "changes";

export interface FeedPageQuery {
  readonly reading: FeedReading;
  readonly cursor: FeedCursor;
  /** Null: all. */
  readonly namespaces: readonly string[] | null;
  /** Null: every memory passes. */
  readonly where: Condition | null;
  /** Whether a memory's privacy counts: see `FeedFilter`. */
  readonly applyPrivacy: boolean;
  readonly parts: FeedParts;
  /** Changes at most. */
  readonly limit: number;
  /** Versions that are looked at, at most: for a filter, or for the latest of each memory. */
  readonly scanMax: number;
  /** Bytes of documents and embeddings, at most, but for the first change of a page. */
  readonly bytesMax: number;
}

/** A change that a reader has to be told of, or that only its privacy or the filter of memories keeps back. Times are milliseconds since 1970. */
export interface FeedPageRow {
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  /** Null for a tombstone. */
  readonly checksum: string | null;
  readonly modifiedAt: number;
  /** Why it is a tombstone; null for a live version. */
  readonly endedBy: Ending | null;
  readonly transactionId: string;
  /** JSON text of the version vector. */
  readonly versionVector: string;
  readonly xid: string;
  readonly seq: string;
  /** Of the document; null for a tombstone, and where privacy does not count. */
  readonly privacy: string | null;
  /** Whether the memory passes the filter of memories. Null without a document, where there is a filter. */
  readonly isWanted: boolean | null;
  /**
   * Whether a reader may have been told of an earlier version, filter and privacy applied. True where the history that is kept does
   * not prove the contrary: a key too many is told rather than content left where it must not be.
   */
  readonly wasTold: boolean;
  /** Whether a live memory has no document. False where none was looked for. */
  readonly isMissing: boolean;
  readonly document: string | null;
  readonly embedding: Buffer | null;
}

export interface FeedPageRows {
  readonly rows: readonly FeedPageRow[];
  readonly epoch: string;
  /** Behind the last change that was looked at and is not left for the next page; null when there was none. */
  readonly last: FeedCursor | null;
  /** Whether nothing stood behind `last`. */
  readonly complete: boolean;
  /** Transactions below this one have all ended; the feed shows no others. */
  readonly horizon: bigint;
  /** Transactions from this one on had not begun. */
  readonly newest: bigint;
}

type Row = FeedPageRow & {
  epoch: string;
  horizon: string;
  newest: string;
  scanned: number;
  matched: number;
  lastXid: string | null;
  lastSeq: string | null;
};

/**
 * One page of the feed, oldest first, in one statement: a change and its document are of one snapshot, so that no version
 * is told twice. Only transactions below the oldest running one are shown: sequence numbers are given out before the commit,
 * so a reader that went by them alone would miss late committers.
 */
export async function readFeedPage(sql: Sql, query: FeedPageQuery): Promise<FeedPageRows> {
  const { reading, cursor, namespaces, where, limit, scanMax, bytesMax, parts } = query;
  const wanted = namespaces === null ? null : arrayLiteral(namespaces);
  const looked = namespaces === null && where === null && reading === "versions" ? limit : scanMax;
  const rows = await sql<Row[]>`
    with scanned as materialized (${feedRows(sql, cursor, looked)}),
    own as materialized (
      select v.* from scanned v
      where (${wanted}::text is null or v.namespace = any (${wanted}::text::text[]))
        ${reading === "versions" ? sql`` : sql`and not ${isSuperseded(sql)}`}
      order by v.xid, v.seq
      limit ${where === null ? limit : looked}
    ), judged as materialized (
      ${judged(sql, query)}
    ), told as (
      ${told(sql, query)}
    ), matched as materialized (
      select * from told where ${where === null ? sql`true` : sql`is_wanted or was_told or is_missing`}
      order by xid, seq
      limit ${limit}
    ), budgeted as (
      select *, sum(bytes) over (order by xid, seq) as total, row_number() over (order by xid, seq) as number from matched
    ), chosen as (
      select v.*, ${endingOf(sql)} as ending, ${parts === "keys" ? sql`null::text` : sql`m.document::text`} as document,
             ${parts === "memories" ? sql`m.embedding` : sql`null::bytea`} as embedding
      from budgeted v
      ${parts === "keys" ? sql`` : sql`left join lateral ${wideRow(sql)} m on true`}
      where v.total <= ${bytesMax}::float8 or v.number = 1
    ), facts as (
      select (select value from mnemosync.sync_meta where name = 'store_epoch') as epoch,
             pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
             pg_snapshot_xmax(pg_current_snapshot())::text as newest,
             (select count(*)::int from scanned) as scanned, (select count(*)::int from matched) as matched,
             l.xid::text as "lastXid", l.seq::text as "lastSeq"
      from (values (1)) one left join (select xid, seq from scanned order by xid desc, seq desc limit 1) l on true
    )
    select f.*, c.namespace, c.memory_id as "memoryId", c.version::float8 as version, c.checksum,
           extract(epoch from c.modified_at)::float8 * 1000 as "modifiedAt", c.tx_id as "transactionId",
           c.ending as "endedBy",
           c.version_vector::text as "versionVector", c.xid::text as xid, c.seq::text as seq, c.privacy,
           c.is_wanted as "isWanted", c.was_told as "wasTold", c.is_missing as "isMissing", c.document, c.embedding
    from facts f left join chosen c on true
    order by c.xid, c.seq`;
  return paged(rows, query, looked);
}

/** The place below which the feed shows everything: later commits stand behind it. */
export async function readHorizon(sql: Sql): Promise<{ epoch: string; cursor: FeedCursor }> {
  const [row] = await sql<{ epoch: string; xid: string }[]>`
    select value as epoch, pg_snapshot_xmin(pg_current_snapshot())::text as xid
    from mnemosync.sync_meta where name = 'store_epoch'`;
  return { epoch: row?.epoch ?? "", cursor: { xid: row?.xid ?? "0", seq: "0" } };
}

/** Whether a page tells all that it looks at, so that no document has to be read for the decision. */
function tellsAll({ applyPrivacy, where }: FeedPageQuery): boolean {
  return !applyPrivacy && where === null;
}

/** The rows of a table called own, with what decides on them but for what stands before them. */
function judged(sql: Sql, query: FeedPageQuery): Fragment {
  const { applyPrivacy, where, parts } = query;
  if (tellsAll(query) && parts === "keys") {
    return sql`
      select v.*, null::text as privacy, true as is_wanted, true as goes_out, false as is_missing, 0 as bytes from own v`;
  }
  const documentBytes = parts === "keys" ? sql`0` : sql`coalesce(octet_length(m.document::text), 0)`;
  const embeddingBytes = parts === "memories" ? sql`coalesce(octet_length(m.embedding), 0)` : sql`0`;
  return sql`
    select v.*, ${applyPrivacy ? sql`m.document ->> 'privacy'` : sql`null::text`} as privacy, w.is_wanted,
           (v.checksum is not null and ${mayGoOut(sql, applyPrivacy, sql`m`)} and w.is_wanted) is true as goes_out,
           v.checksum is not null and m.memory_id is null as is_missing,
           ${documentBytes} + ${embeddingBytes} as bytes
    from own v left join lateral ${wideRow(sql)} m on true
    cross join lateral (select ${passes(sql, applyPrivacy, where, sql`m`)} as is_wanted) w`;
}

/**
 * The rows of a table called judged, with `was_told`. What stands before a version is only read for those that are not told as they
 * are, and only from the one before it on the page that is not either, which has the answer for the rest. So the versions of a memory
 * are read once for a page, however many of them are on it, and none where all are told.
 */
function told(sql: Sql, query: FeedPageQuery): Fragment {
  const { applyPrivacy, where } = query;
  if (tellsAll(query)) return sql`select *, true as was_told from judged`;
  // An older version has its own times. Its memory's creation is the same.
  const passed = sql`
    select ${passes(sql, applyPrivacy, where, sql`h`)}
    from (select v.namespace, v.memory_id, h.modified_at, (h.document ->> 'expiresAt')::timestamptz as expires_at) v`;
  return sql`
    select j.*, 0::bigint as since, j.goes_out as was_told from judged j where j.goes_out or j.version = 1
    union all
    select v.*, sum(b.kept) over earlier < v.version - 1 or bool_or(b.has_passed) over earlier
    from (
      select j.*, coalesce(lag(j.version) over (partition by j.namespace, j.memory_id order by j.version), 0) as since
      from judged j where not j.goes_out and j.version <> 1
    ) v cross join lateral (
      select count(*) as kept,
             bool_or(h.document is not null and ${mayGoOut(sql, applyPrivacy, sql`h`)}
                     and ${where === null ? sql`true` : sql`(${passed})`}) as has_passed
      from ${replacedRows(sql)} h where h.version >= v.since
    ) b
    window earlier as (partition by v.namespace, v.memory_id order by v.version)`;
}

/** Whether privacy lets the document of a row called `from` go out, in whatever form. */
function mayGoOut(sql: Sql, applyPrivacy: boolean, from: Fragment): Fragment {
  return applyPrivacy ? sql`${from}.document ->> 'privacy' is distinct from 'local_only'` : sql`true`;
}

/** Whether the document of a row called `from` passes, beside a row called v with its key and times. */
function passes(sql: Sql, applyPrivacy: boolean, where: Condition | null, from: Fragment): Fragment {
  if (where === null) return sql`true`;
  const whole = sql`${from}.document::jsonb`;
  // What a reader is not told must not answer its questions either.
  const told = applyPrivacy
    ? sql`case when ${from}.document ->> 'privacy' = 'full' then ${whole} else ${whole} - 'content' - 'metadata' end`
    : whole;
  // A body does not say when its memory was created.
  const row = asksFor(where, "createdAt")
    ? sql`cross join lateral (
        select v.memory_id, v.modified_at, v.expires_at, (
          select coalesce(c.created_at, c.modified_at) from mnemosync.memory_versions c
          where c.namespace = v.namespace and c.memory_id = v.memory_id
        ) as created_at
      ) v`
    : sql``;
  return sql`(
    select ${whereCondition(sql, where)} from (select ${told} as document) d ${row} where ${from}.document is not null)`;
}

function paged(rows: readonly Row[], query: FeedPageQuery, looked: number): FeedPageRows {
  const [facts] = rows as readonly [Row];
  const changes = rows.filter(({ xid }) => xid !== null);
  const end = changes.at(-1);
  const isCut = changes.length < facts.matched;
  const isFull = facts.matched === query.limit;
  const scannedTo =
    facts.lastXid === null || facts.lastSeq === null ? null : { xid: facts.lastXid, seq: facts.lastSeq };
  const last = end !== undefined && (isCut || isFull) ? { xid: end.xid, seq: end.seq } : scannedTo;
  return {
    rows: changes,
    epoch: facts.epoch,
    last,
    complete: !isCut && !isFull && facts.scanned < looked,
    horizon: BigInt(facts.horizon),
    newest: BigInt(facts.newest),
  };
}
