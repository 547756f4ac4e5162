import type { Sql, Statement } from "../drivers/postgres/postgres-access.ts";
import { WIDE_ROW } from "./body-rows.ts";
import { IS_SHOWN, type PageQuery, type PageRow, type PageStep } from "./find-statements.ts";

/** What became of a row that a plain page looked at. */
type RowFate = "hidden" | "shown" | "cut";

/** A row that a plain page looked at; of a hidden one only the id counts. Embeddings are there where they were asked for. */
export type PlainPageRow = Omit<PageRow, "sort" | "embedding"> & {
  readonly fate: RowFate;
  readonly embedding?: Buffer | null;
};

/**
 * One step of a page without a filter, in the order of ids: what `pageStatement` answers for it, by half of its work. Nearly all
 * rows are shown then, so each row that was looked at is sent, and the program counts them; the statement needs neither
 * a second pass nor a sort. It is one text and not put together of fragments, and has no column that says nothing: the driver takes 10 µs
 * for a fragment and some 0.3 µs for a value, which is a fifth of a page of 100.
 */
export function plainPageStatement(sql: Sql, query: PageQuery): Statement<PlainPageRow> {
  const { namespace, after, rowsMax, isDescending, bytesMax, readsFirst, withEmbedding } = query;
  const given: (string | number | boolean)[] = [namespace, rowsMax, bytesMax, readsFirst];
  if (after !== null) given.push(after.memoryId);
  return sql.unsafe<PlainPageRow[]>(pageText(after !== null, isDescending, withEmbedding), given, { prepare: true });
}

/** Parameters: namespace, rows at most, bytes at most, whether the first row is read however large it is, the id behind which it begins. */
function pageText(hasPlace: boolean, isDescending: boolean, withEmbedding: boolean): string {
  const place = hasPlace ? `and memory_id ${isDescending ? "<" : ">"} $5::text` : "";
  return `
    select p."memoryId", p.version, p.checksum, p."versionVector", p."createdAt", p."modifiedAt", p.fate,
           case when p.fate = 'shown' then p.document::text end as document, p."embeddingBytes"
           ${withEmbedding ? `, case when p.fate = 'shown' then p.embedding end as embedding` : ""}
    from (
      select s.*,
             case when not s.is_shown then 'hidden'
                  when s.total <= $3::float8 or (s.total = s.size and $4::boolean) then 'shown' else 'cut' end as fate
      from (
        select l.*, sum(l.size) over (rows unbounded preceding) as total
        from (
          select v.memory_id as "memoryId", v.version::float8 as version, v.checksum, v.version_vector::text as "versionVector",
                 date_part('epoch', coalesce(v.created_at, v.modified_at)) * 1000 as "createdAt",
                 date_part('epoch', v.modified_at) * 1000 as "modifiedAt", v.is_shown,
                 m.document, m.embedding, octet_length(m.embedding) as "embeddingBytes",
                 coalesce(octet_length(m.document::text), 0)
                   + ${withEmbedding ? "coalesce(octet_length(m.embedding), 0)" : "0"} as size
          from (
            select namespace, memory_id, version, checksum, version_vector, created_at, modified_at, ${IS_SHOWN} as is_shown
            from mnemosync.memory_versions v
            where namespace = $1::text ${place}
            order by memory_id ${isDescending ? "desc" : "asc"}
            limit $2::bigint
          ) v left join lateral ${WIDE_ROW} m on v.is_shown
        ) l
      ) s
    ) p`;
}

export function plainPageStepOf(rows: readonly PlainPageRow[], limit: number): PageStep {
  const shown: PageRow[] = [];
  let passing = 0;
  let isCut = false;
  for (const row of rows) {
    if (row.fate === "hidden" || passing > limit) continue;
    passing++;
    isCut ||= row.fate === "cut";
    if (!isCut && passing <= limit) shown.push(pageRow(row));
  }
  const last = rows.at(-1);
  const place = last === undefined ? null : { memoryId: last.memoryId, sort: null };
  return { scanned: rows.length, last: place, passing, rows: shown };
}

/** The row itself, as `pageStatement` answers it: a copy of each costs as much as reading it. */
function pageRow(row: PlainPageRow): PageRow {
  const page = row as Omit<PlainPageRow, "embedding"> & { sort: string | null; embedding?: Buffer | null };
  page.sort = null;
  page.embedding ??= null;
  return page as PageRow;
}
