import type { FeedCursor } from "../domain/change-source.ts";
import type { Ending } from "../domain/ending.ts";
import { digitsOf, int64Of, jsonbOf, timestampOf } from "../drivers/postgres/binary-columns.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { StatementAnswer } from "../drivers/postgres/flight-answers.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import type { VersionRow } from "./memory-rows.ts";
import { CURRENT_TRANSACTION, type LaterFacts, STRICTEST, strictestOf } from "./primary-statements.ts";

/** A page of the primary's feed as its flight brings it. */
export interface FlownPage {
  /** Rows of the server's answer, for `flownVersion`: a page is read faster than its rows are taken apart. */
  readonly rows: StatementAnswer["rows"];
  /** Behind the last version; null: there is none. */
  readonly last: FeedCursor | null;
  /** Whether more stood behind the page. */
  readonly isCut: boolean;
  readonly epoch: string;
  /** Transactions from this one on had not begun. */
  readonly newest: bigint;
  /** The newest tombstone that was pruned; null: none was. */
  readonly pruned: FeedCursor | null;
}

export interface FlownVersion {
  readonly row: VersionRow;
  readonly later: LaterFacts;
}

/** Places of columns in the rows of `pageStatement`. */
const COLUMN = { xid: 9, seq: 10, fits: 13, behind: 16, behindXid: 17, currentTx: 18 } as const;

/**
 * How a page reads what stands behind each of its versions, for stricter privacy. `few`: 33 versions at most, which nearly all pages do
 * with. `many`: up to the next version of the memory on the page, which has the strictest of the rest. So a memory that was rewritten
 * ten thousand times has these read once, and not for each of its versions on the page; but it sorts the page by memory.
 */
type Behind = "few" | "many";
const FEW_MAX = 32;

const COLUMNS = `namespace, memory_id, version, checksum, modified_at, ended_by, tx_id, version_vector, xid, seq`;

/** The part of the feed in one of its two places, behind $1, $2. */
function place(from: string, document: string, limit: number): string {
  return `(select ${COLUMNS.replace(/\w+/g, "b.$&")}, ${document} from ${from}
       where (b.xid, b.seq) > ($1::xid8, $2) and b.xid < pg_snapshot_xmin(pg_current_snapshot())
       order by b.xid, b.seq limit ${limit})`;
}

/**
 * `readFeedPage` of all versions with documents and embeddings, and `LaterFacts` of each, of the same moment: what the primary changes
 * later stands behind the page. The row behind the bytes is there without its document, and says that more is to come.
 */
function pageStatement(limit: number, bytesMax: number, behind: Behind): FlightStatement {
  const isMany = behind === "many";
  const text = `
    select s.namespace, s.memory_id, s.version, s.checksum, s.modified_at,
           case when s.checksum is null then coalesce(s.ended_by, 'deleted') end, s.tx_id, s.version_vector,
           ${isMany ? "max(w.strictest) over behind" : "w.strictest"}, s.xid, s.seq,
           case when s.fits then s.document end, case when s.fits then s.embedding end, s.fits,
           v.version, coalesce(v.created_at, v.modified_at), w.behind,
           ${isMany ? "max(w.xid) over behind" : "w.xid"},
           case when ${isMany ? "true" : "w.strictest > 0"} then ${CURRENT_TRANSACTION} end
    from (
      select t.*, t.total <= ${bytesMax} or t.number = 1 as fits
             ${isMany ? ", coalesce(lead(t.version) over (partition by t.namespace, t.memory_id order by t.version), 9223372036854775807) as next" : ""}
      from (
        select c.*, sum(c.bytes) over ordered as total, row_number() over ordered as number
        from (
          select both_places.*, coalesce(octet_length(document::text), 0) + coalesce(octet_length(embedding), 0) as bytes
          from (
            ${place("mnemosync.memory_bodies b", "b.document, b.embedding", limit)}
            union all
            ${place(
              // Versions from before migration 19 that are not moved yet.
              "mnemosync.memory_versions b left join mnemosync.unmoved_documents u using (namespace, memory_id)",
              "u.document, u.embedding",
              limit,
            )}
          ) both_places
          order by xid, seq limit ${limit}
        ) c
        window ordered as (order by c.xid, c.seq rows unbounded preceding)
      ) t
      where t.total - t.bytes <= ${bytesMax} or t.number <= 2
    ) s
    left join lateral (
      select v.version, v.created_at, v.modified_at, v.tx_id from mnemosync.memory_versions v
      where v.namespace = s.namespace and v.memory_id = s.memory_id offset 0
    ) v on true
    left join lateral (
      select ${STRICTEST} as strictest, count(*) as behind, max(b.xid::text::bigint) as xid
      from (
        select b.ended_by, b.document, b.xid from mnemosync.memory_bodies b
        where b.namespace = s.namespace and b.memory_id = s.memory_id and b.version > s.version
        ${isMany ? "and b.version <= s.next" : `limit ${FEW_MAX + 1}`}
      ) b
    ) w on true
    ${isMany ? "window behind as (partition by s.namespace, s.memory_id order by s.version rows between current row and unbounded following)" : ""}
    order by s.xid, s.seq`;
  return { name: "", text, types: [OID.text, OID.int8] };
}

/** Behind the page: an epoch, or the pruning of a tombstone, that the page was read after shows here. */
const FACTS: FlightStatement = {
  name: "replica_page_facts",
  text: `select (select value from mnemosync.sync_meta where name = 'store_epoch'),
           pg_snapshot_xmax(pg_current_snapshot()), p.xid, p.seq
    from (values (1)) one left join mnemosync.tombstones_pruned p on true`,
  types: [],
};

/** Reads pages of one size in one flight each, or in two where a memory of theirs was rewritten often, with values as the server keeps them. */
export class PageFlights {
  readonly #statements: Readonly<Record<Behind, FlightStatement>>;
  readonly #limit: number;

  /** @param bytesMax bytes of documents and embeddings in a page, at most, but for a single version that is larger. */
  constructor(limit: number, bytesMax: number) {
    this.#limit = limit;
    this.#statements = { few: pageStatement(limit, bytesMax, "few"), many: pageStatement(limit, bytesMax, "many") };
  }

  async read(flights: FlightChannel, cursor: FeedCursor): Promise<FlownPage> {
    const page = await this.#read(flights, cursor, "few");
    // Of one moment with its versions, so the page is read as a whole: what was withheld behind them may be pruned by then.
    return page.rows.some(hasMoreBehind) ? await this.#read(flights, cursor, "many") : page;
  }

  async #read(flights: FlightChannel, cursor: FeedCursor, behind: Behind): Promise<FlownPage> {
    const statement = this.#statements[behind];
    const flight = flights.begin([statement, FACTS], 8_192);
    flight.execute(statement, (values) => {
      values.text(cursor.xid);
      values.int64(Number(cursor.seq));
    });
    flight.execute(FACTS);
    const [page, facts] = await flights.send(flight);
    const [epoch, newest, prunedXid, prunedSeq] = facts?.rows[0] ?? [];
    if (page === undefined || newest == null) throw new TypeError("the server told nothing of itself");
    const found = page.rows;
    const isOver = found.at(-1)?.[COLUMN.fits]?.[0] === 0;
    const rows = isOver ? found.slice(0, -1) : found;
    const last = rows.at(-1);
    return {
      rows,
      last: last === undefined ? null : placeOf(last[COLUMN.xid], last[COLUMN.seq]),
      isCut: isOver || rows.length === this.#limit,
      epoch: epoch?.toString() ?? "",
      newest: newest.readBigUInt64BE(0),
      pruned: placeOf(prunedXid, prunedSeq),
    };
  }
}

function hasMoreBehind(columns: FlownPage["rows"][number]): boolean {
  return int64Of(columns[COLUMN.behind] as Buffer) > FEW_MAX;
}

/** A version of a page, and what the primary has behind it. The document and the embedding share the memory of the page. */
export function flownVersion(columns: FlownPage["rows"][number]): FlownVersion {
  const [namespace, memoryId, version, checksum, modifiedAt, endedBy, transactionId, versionVector, strictest] =
    columns as [Buffer, Buffer, Buffer, Buffer | null, Buffer, Buffer | null, Buffer, Buffer, Buffer | null];
  const [document, embedding, , current, createdAt] = columns.slice(11) as (Buffer | null)[];
  const behindXid = columns[COLUMN.behindXid];
  const transaction = columns[COLUMN.currentTx];
  return {
    row: {
      namespace: namespace.toString(),
      memoryId: memoryId.toString(),
      version: int64Of(version),
      checksum: checksum?.toString("latin1") ?? null,
      modifiedAt: timestampOf(modifiedAt),
      endedBy: (endedBy?.toString("latin1") ?? null) as Ending | null,
      transactionId: transactionId.toString(),
      versionVector: jsonbOf(versionVector),
      document: document ?? null,
      embedding: embedding ?? null,
    },
    later: {
      version: current == null ? null : int64Of(current),
      createdAt: createdAt == null ? null : timestampOf(createdAt),
      strictest: strictestOf(strictest?.readInt32BE(0) ?? 0),
      behindXid: behindXid == null ? null : int64Of(behindXid),
      transactionId: transaction?.toString() ?? null,
    },
  };
}

function placeOf(xid: Buffer | null | undefined, seq: Buffer | null | undefined): FeedCursor | null {
  return xid == null || seq == null ? null : { xid: digitsOf(xid), seq: digitsOf(seq) };
}
