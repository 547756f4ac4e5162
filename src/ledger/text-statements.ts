import type { Condition } from "../domain/filter/filter.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { filteredDocument, isShown } from "./find-statements.ts";
import { DOCUMENT_TABLE, wordsExpression } from "./optional-indexes.ts";
import { whereCondition } from "./where.ts";

/** Characters of a query that count. */
export const QUERY_LENGTH_MAX = 8_192;
/** Words of a query that are looked for: the longest ones, which are the rarest ones as a rule. */
const WORDS_MAX = 32;
/** Entries of the index that are looked at for one word, at most. */
const LOOKED_MAX = 20_000;
/** Memories that are taken for one word, at most. A word that more memories have weighs as if these were all of them. */
const MATCHES_MAX = 1_000;
/** Memories whose words are counted, at most: those with the rarest words of the query. */
const SCORED_MAX = 250;
/** Memories of the namespace that are counted for the weights, at most. */
const COUNTED_MAX = 20_000;

export interface TextQuery {
  readonly namespace: string;
  /** Of a complete index of words. */
  readonly language: string;
  readonly text: string;
  readonly condition: Condition;
  /** Hits at most. */
  readonly limit: number;
  /** Whether memories that expired are found too, by the version before their end: in a replica, which keeps it. @default false */
  readonly archive?: boolean;
}

export interface TextHit {
  readonly memoryId: string;
  readonly score: number;
}

/**
 * The memories of a namespace that have words of a text, best first. The score is Okapi BM25 (Robertson and Zaragoza 2009)
 * with b = 0.75 over PostgreSQL's lexemes. `ts_rank` of one word stands for the saturated frequency of the word, between 1 and
 * 1.65: `ts_rank` of a whole query would weigh a word that each memory has like one that few have.
 * The work is bounded by the limits above, whatever the words: an index scan per word, and `SCORED_MAX` documents.
 */
export async function searchText(sql: Sql, query: TextQuery): Promise<TextHit[]> {
  const { namespace, language, text, condition, limit, archive = false } = query;
  // Of a row called v: the version that has its content.
  const contentVersion = archive ? sql`(v.version - (v.deleted_at is not null)::int)` : sql`v.version`;
  const isFound = archive ? sql`(v.deleted_at is null or v.ended_by = 'expired')` : isShown(sql);
  const words = (row: string): Fragment => sql`${sql.unsafe(wordsExpression(language, row))}`;
  const table = sql.unsafe(DOCUMENT_TABLE);
  return await sql<TextHit[]>`
    with words as materialized (
      select lexeme, mnemosync.word_query(lexeme) as query
      from unnest(to_tsvector(${sql.unsafe(`'${language}'::regconfig`)}, ${text.slice(0, QUERY_LENGTH_MAX)}::text)) as u
      order by length(lexeme) desc, lexeme
      limit ${WORDS_MAX}::int
    ), matches as materialized (
      select w.lexeme, m.memory_id
      from words w cross join lateral (
        select v.memory_id
        from (
          select d.namespace, d.memory_id, d.version from ${table} d
          where ${words("d.")} @@ (mnemosync.word_query(e'\\x01' || ${namespace}::text) && w.query) limit ${LOOKED_MAX}::int
        ) i
        cross join lateral (
          -- The index has replaced versions too.
          select ${contentOf(sql, archive)} from mnemosync.memory_versions v
          where v.namespace = i.namespace and v.memory_id = i.memory_id and ${contentVersion} = i.version offset 0
        ) v
        ${filteredDocument(sql, condition)}
        where v.namespace = ${namespace}::text and ${isFound} and ${whereCondition(sql, condition)}
        limit ${MATCHES_MAX}::int
      ) m
    ), total as (
      select count(*) as memories from (
        select from mnemosync.memory_versions where namespace = ${namespace}::text limit ${COUNTED_MAX}::int
      ) n
    ), weights as materialized (
      select w.lexeme, w.query, ln(1 + (greatest(t.memories - f.memories, 0) + 0.5) / (f.memories + 0.5)) as weight
      from words w
      cross join lateral (select count(*) as memories from matches where lexeme = w.lexeme) f
      cross join total t
    ), candidates as materialized (
      select memory_id from matches join weights using (lexeme)
      group by memory_id
      order by sum(weight) desc, memory_id
      limit ${Math.max(SCORED_MAX, limit)}::int
    ), documents as materialized (
      select c.memory_id, d.words, length(d.words) / avg(length(d.words)) over () as length
      from candidates c cross join lateral (
        select ${words("d.")} as words from mnemosync.memory_versions v join ${table} d
          on d.namespace = v.namespace and d.memory_id = v.memory_id and d.version = ${contentVersion}
        where v.namespace = ${namespace}::text and v.memory_id = c.memory_id offset 0
      ) d
    )
    select d.memory_id as "memoryId", sum(w.weight * f.times * 2.2 / (f.times + 1.2 * (0.25 + 0.75 * d.length)))::float8 as score
    from documents d cross join weights w
    cross join lateral (select ts_rank(d.words, w.query) / 0.0607927 as times) f
    where d.words @@ w.query
    group by d.memory_id
    order by score desc, d.memory_id
    limit ${limit}::int`;
}

/** Columns of a row called v, with the version that has its content. */
function contentOf(sql: Sql, archive: boolean): Fragment {
  if (!archive) return sql`v.*`;
  return sql`v.namespace, v.memory_id, v.version - (v.deleted_at is not null)::int as version, v.created_at, v.modified_at,
             v.expires_at, v.deleted_at, v.ended_by`;
}
