import type { Sql, Statement } from "../drivers/postgres/postgres-access.ts";
import { wideRow } from "./body-rows.ts";
import { isShown, type PageQuery, type PageRow, type PageStep } from "./find-statements.ts";

/** A row that a plain page looked at. */
export type PlainPageRow = PageRow & { readonly isShown: boolean; readonly fits: boolean };

/**
 * One step of a page without a filter, in the order of ids: what `pageStatement` answers for it, by half of its work. Nearly all
 * rows are shown then, so each row that was looked at is sent, and the program counts them; the statement needs neither
 * a second pass nor a sort. Few fragments, since the driver makes an object of each (10 µs).
 */
export function plainPageStatement(sql: Sql, query: PageQuery): Statement<PlainPageRow> {
  const { namespace, after, rowsMax, isDescending, bytesMax, readsFirst, withEmbedding } = query;
  const place =
    after && (isDescending ? sql`and memory_id < ${after.memoryId}` : sql`and memory_id > ${after.memoryId}`);
  return sql<PlainPageRow[]>`
    select p."memoryId", p.version, p.checksum, p."versionVector", p."createdAt", p."modifiedAt", p.sort, p."isShown", p.fits,
           case when p.fits then p.document::text end as document, p."embeddingBytes",
           ${withEmbedding ? sql`case when p.fits then p.embedding end` : sql`null::bytea`} as embedding
    from (
      select s.*, s.total <= ${bytesMax}::float8 or (s.total = s.size and ${readsFirst}::boolean) as fits
      from (
        select l.*, sum(l.size) over (rows unbounded preceding) as total
        from (
          select v.memory_id as "memoryId", v.version::float8 as version, v.checksum, v.version_vector::text as "versionVector",
                 date_part('epoch', coalesce(v.created_at, v.modified_at)) * 1000 as "createdAt",
                 date_part('epoch', v.modified_at) * 1000 as "modifiedAt", null::text as sort, v.is_shown as "isShown",
                 m.document, m.embedding, octet_length(m.embedding) as "embeddingBytes",
                 coalesce(octet_length(m.document::text), 0)
                   + ${withEmbedding ? sql`coalesce(octet_length(m.embedding), 0)` : sql`0`} as size
          from (
            select namespace, memory_id, version, checksum, version_vector, created_at, modified_at, ${isShown(sql)} as is_shown
            from mnemosync.memory_versions v
            where namespace = ${namespace} ${place ?? sql``}
            order by memory_id ${isDescending ? sql`desc` : sql`asc`}
            limit ${rowsMax}
          ) v left join lateral ${wideRow(sql)} m on v.is_shown
        ) l
      ) s
    ) p`;
}

export function plainPageStepOf(rows: readonly PlainPageRow[], limit: number): PageStep {
  const shown = rows.filter((row) => row.isShown).slice(0, limit + 1);
  const isCut = (row: PlainPageRow) => !row.fits;
  const end = shown.findIndex(isCut);
  const last = rows.at(-1);
  return {
    scanned: rows.length,
    last: last === undefined ? null : { memoryId: last.memoryId, sort: null },
    passing: shown.length,
    rows: shown.slice(0, end < 0 ? limit : Math.min(end, limit)),
  };
}
