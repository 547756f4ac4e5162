import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "../ledger/arrays.ts";
import { joined, SEPARATOR, signedDigest } from "../ledger/write-columns.ts";
import { type Fence, holdsFence, type PlaceMove } from "./cursor-statements.ts";
import { type Folded, type FoldedBody, fold } from "./fold.ts";
import type { ReplicaWrite } from "./replica-write.ts";

/**
 * - `applied`: the data is there, and the place was moved where that was asked for.
 * - `fenced`: another process writes, or another epoch is read. Nothing was written.
 * - `elsewhere`: the data is there, and the replica's place is not where it was: the replica was put back.
 */
export type ApplyAnswer = "applied" | "fenced" | "elsewhere";

/**
 * Writes versions into the replica, in one statement and so in one transaction, and moves the place with them. Repeating it
 * changes nothing: a row moves to a newer version only, a body is written once, and content that was taken comes back only where
 * another epoch is read, whose history may not withhold it.
 * @param writes in order per memory. No other transaction may write the same memories meanwhile.
 * @param isRepair what the replica has of these versions is replaced, though it bears their numbers. @default false
 */
export async function applyWrites(
  sql: Sql,
  fence: Fence,
  writes: readonly ReplicaWrite[],
  move: PlaceMove | null,
  isRepair = false,
): Promise<ApplyAnswer> {
  const folded = fold(writes);
  const [row] = await sql<{ passed: boolean; moved: boolean }[]>`
    with fence as materialized (
      select compares from mnemosync.replica_cursor
      where ${holdsFence(sql, fence)} for key share
    ), input as materialized (
      ${bodyRows(sql, folded.bodies)} where exists (select from fence)
    ), memories as materialized (
      ${memoryRows(sql, folded)} where exists (select from fence)
    ), known as materialized (
      select m.namespace, m.memory_id, v.version from memories m cross join lateral (
        select version from mnemosync.memory_versions v
        where v.namespace = m.namespace and v.memory_id = m.memory_id offset 0
      ) v
    ), held as materialized (
      select b.*, b.tx_id = i.tx_id as is_same from input i cross join lateral (
        select * from mnemosync.memory_bodies b
        where b.namespace = i.namespace and b.memory_id = i.memory_id and b.version = i.version offset 0
      ) b
    ), clashing as (
      -- The same number, given out in another history of the primary.
      select * from held where not is_same
    ), retold as materialized (
      -- What is here is less than the primary has now: a version withheld the rest of it that the primary has lost.
      select i.namespace, i.memory_id, i.version from input i join held h using (namespace, memory_id, version)
      where h.is_same and i.checksum is distinct from h.checksum and i.checksum is not null
        and (h.checksum is null or i.withholds = 'nothing') and exists (select from fence where compares = 'epoch')
    ), takers as (
      -- What was here already has taken what it withholds: versions that diverged behind it were written after it.
      select i.namespace, i.memory_id, bool_or(i.withholds = 'all') as takes_all
      from input i
      where i.withholds <> 'nothing' and (i.version = i.primary_version or not exists (
        select from held h
        where h.is_same and h.namespace = i.namespace and h.memory_id = i.memory_id and h.version = i.version))
      group by i.namespace, i.memory_id
    ), kept as (
      insert into mnemosync.diverged
        (namespace, memory_id, version, tx_id, checksum, version_vector, modified_at, ended_by, document, embedding, found_epoch)
      select c.namespace, c.memory_id, c.version, c.tx_id, c.checksum, c.version_vector, c.modified_at, c.ended_by, c.document,
             c.embedding, ${fence.epoch}
      from clashing c left join takers m using (namespace, memory_id)
      where m.takes_all is null or not ${isTaken(sql, sql`c`)}
      on conflict do nothing
    ), bodies as (
      insert into mnemosync.memory_bodies as b
        (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, document, embedding)
      select i.namespace, i.memory_id, i.version, i.checksum, i.vector, i.modified_at, i.ended_by, i.expires_at, i.tx_id,
             i.document, i.embedding
      from input i
      where (not i.needs_row or exists (select from known k where k.namespace = i.namespace and k.memory_id = i.memory_id))
        -- Not left to the conflict: a row that is emptied beside this must not be touched twice.
        and (${isRepair} or not exists (
          select from held h
          where h.is_same and h.namespace = i.namespace and h.memory_id = i.memory_id and h.version = i.version
        ) or exists (
          select from retold r
          where r.namespace = i.namespace and r.memory_id = i.memory_id and r.version = i.version))
      on conflict (namespace, memory_id, version) do update set
        checksum = excluded.checksum, version_vector = excluded.version_vector, modified_at = excluded.modified_at,
        ended_by = excluded.ended_by, expires_at = excluded.expires_at, tx_id = excluded.tx_id, document = excluded.document,
        embedding = excluded.embedding, xid = excluded.xid, seq = excluded.seq
    ), emptied as (
      update mnemosync.memory_bodies b
      set checksum = null, document = null, embedding = null, expires_at = null, ended_by = m.taken_by
      from memories m
      where b.namespace = m.namespace and b.memory_id = m.memory_id and b.version < m.taken_below and b.checksum is not null
        and ${isTaken(sql, sql`b`)}
        and not exists (select from input i
                        where i.namespace = b.namespace and i.memory_id = b.memory_id and i.version = b.version
                          and (i.tx_id <> b.tx_id or ${isRepair}))
    ), forgotten as (
      delete from mnemosync.diverged b using takers m
      where b.namespace = m.namespace and b.memory_id = m.memory_id and ${isTaken(sql, sql`b`)}
    ), moved_rows as (
      ${upsertRows(sql, isRepair)}
    ), ended_rows as (
      ${lateEndings(sql)}
    ), moved as (
      ${move === null ? sql`select 1 where false` : moveWith(sql, fence, move)}
    )
    select exists (select from fence) as passed, exists (select from moved) as moved`;
  if (row?.passed !== true) return "fenced";
  return move === null || row.moved ? "applied" : "elsewhere";
}

/** Of the body or the diverged version of a table, beside the row m of what takes it: its content is to go. */
function isTaken(sql: Sql, table: Fragment): Fragment {
  return sql`(m.takes_all or ${table}.document ->> 'privacy' = 'full')`;
}

/** Rows move to newer versions only; or to the same number of the primary's present history, or as that history has it. */
function upsertRows(sql: Sql, isRepair: boolean): Fragment {
  return sql`
      insert into mnemosync.memory_versions as v
        (namespace, memory_id, version, checksum, digest, bucket, version_vector, has_embedding, created_at, modified_at,
         deleted_at, ended_by, expires_at, tx_id)
      select i.namespace, i.memory_id, i.version, i.checksum, i.digest, i.bucket, i.vector, i.embedding is not null,
             i.created_at, i.modified_at, case when i.checksum is null then i.modified_at end, i.ended_by, i.expires_at, i.tx_id
      from input i join memories m on m.namespace = i.namespace and m.memory_id = i.memory_id and m.version = i.version
      where (not i.needs_row or exists (select from known k where k.namespace = i.namespace and k.memory_id = i.memory_id))
        -- Not left to the conflict: a row that is ahead may end beside this, and must not be touched twice.
        and not exists (
          select from known k where k.namespace = i.namespace and k.memory_id = i.memory_id and k.version > i.version)
      on conflict (namespace, memory_id) do update set
        version = excluded.version, checksum = excluded.checksum, digest = excluded.digest,
        version_vector = excluded.version_vector, modified_at = excluded.modified_at, deleted_at = excluded.deleted_at,
        has_embedding = case when excluded.checksum is null then v.has_embedding else excluded.has_embedding end,
        created_at = case when excluded.checksum is null then v.created_at else excluded.created_at end,
        ended_by = excluded.ended_by, expires_at = excluded.expires_at, tx_id = excluded.tx_id
      where v.version < excluded.version or (v.version = excluded.version and (v.tx_id <> excluded.tx_id or ${isRepair} or exists (
        select from retold r
        where r.namespace = excluded.namespace and r.memory_id = excluded.memory_id and r.version = excluded.version)))`;
}

/**
 * An ending below the row's version, where the primary itself is below it: rows of the primary were lost by hand. The row
 * keeps its version, and the memory has ended all the same: otherwise it would come back once the tombstone is pruned.
 */
function lateEndings(sql: Sql): Fragment {
  return sql`
      update mnemosync.memory_versions v
      set checksum = null, digest = null, expires_at = null, deleted_at = i.modified_at, ended_by = i.ended_by
      from input i join memories m on m.namespace = i.namespace and m.memory_id = i.memory_id and m.version = i.version
      where v.namespace = i.namespace and v.memory_id = i.memory_id and i.checksum is null and v.deleted_at is null
        and v.version > i.version and v.version > i.primary_version`;
}

function moveWith(sql: Sql, fence: Fence, { from, to, seen }: PlaceMove): Fragment {
  return sql`
      update mnemosync.replica_cursor
      set xid = ${to.xid}::text::xid8, seq = ${to.seq}::text::bigint, seen_tx = coalesce(${seen}, seen_tx), moved_at = clock_timestamp()
      where ${holdsFence(sql, fence)}
        and (xid, seq) = (${from.xid}::text::xid8, ${from.seq}::text::bigint)
        and (${to.xid}::text::xid8, ${to.seq}::text::bigint) >= (xid, seq)
      returning 1`;
}

function memoryRows(sql: Sql, { memories }: Folded): Fragment {
  const [namespaces, memoryIds] = keyLiterals(memories);
  return sql`
      select * from unnest(
        ${namespaces}::text::text[], ${memoryIds}::text::text[],
        ${arrayLiteral(memories.map(({ last }) => last.version))}::text::bigint[],
        ${arrayLiteral(memories.map(({ takenBelow }) => takenBelow))}::text::bigint[],
        ${arrayLiteral(memories.map(({ takes }) => takes === "all"))}::text::boolean[],
        ${arrayLiteral(memories.map(({ last }) => (last.endedBy === "erased" ? "erased" : "withdrawn")))}::text::text[]
      ) as m (namespace, memory_id, version, taken_below, takes_all, taken_by)`;
}

function bodyRows(sql: Sql, bodies: readonly FoldedBody[]): Fragment {
  const { packed, starts } = packed64(bodies.map(({ embedding }) => embedding));
  const [namespaces, memoryIds] = keyLiterals(bodies);
  const column = (pick: (body: FoldedBody) => string | number | boolean | null): string =>
    arrayLiteral(bodies.map(pick));
  return sql`
      select i.namespace, i.memory_id, i.version, i.bucket, i.vector::jsonb as vector, i.checksum, i.digest,
             i.document::json as document, substr(p.packed, i.embedding_start, i.embedding_length) as embedding,
             to_timestamp(i.expires_at / 1000.0) as expires_at, to_timestamp(i.modified_at / 1000.0) as modified_at,
             to_timestamp(i.created_at / 1000.0) as created_at, i.ended_by, i.tx_id, i.needs_row, i.primary_version, i.withholds
      from (select decode(${packed}::text, 'base64') as packed offset 0) p, unnest(
        ${namespaces}::text::text[],
        ${memoryIds}::text::text[],
        ${column(({ version }) => version)}::text::bigint[],
        ${column(({ bucket }) => bucket)}::text::int[],
        ${column(({ versionVector }) => versionVector)}::text::text[],
        string_to_array(${joined(bodies, ({ checksum }) => checksum)}::text, ${SEPARATOR}, ''),
        ${column(({ digest }) => signedDigest(digest))}::text::bigint[],
        string_to_array(${joined(bodies, ({ document }) => document?.toString() ?? null)}::text, ${SEPARATOR}, ''),
        ${arrayLiteral(starts)}::text::int[],
        ${column(({ embedding }) => embedding?.byteLength ?? null)}::text::int[],
        ${column(({ expiresAt }) => expiresAt)}::text::float8[],
        ${column(({ modifiedAt }) => modifiedAt)}::text::float8[],
        ${column(({ createdAt }) => createdAt)}::text::float8[],
        ${column(({ endedBy }) => endedBy)}::text::text[],
        ${column(({ transactionId }) => transactionId)}::text::text[],
        ${column(({ needsRow }) => needsRow)}::text::boolean[],
        ${column(({ primaryVersion }) => primaryVersion)}::text::bigint[],
        ${column(({ withholds }) => withholds)}::text::text[]
      ) as i (namespace, memory_id, version, bucket, vector, checksum, digest, document, embedding_start, embedding_length,
              expires_at, modified_at, created_at, ended_by, tx_id, needs_row, primary_version, withholds)`;
}

/** All vectors one behind the other in one value, which the server cuts; `starts` are positions in bytes, from 1. */
function packed64(embeddings: readonly (Buffer | null)[]): { packed: string; starts: (number | null)[] } {
  let end = 1;
  const starts = embeddings.map((embedding) => {
    if (embedding === null) return null;
    const start = end;
    end += embedding.byteLength;
    return start;
  });
  return { packed: Buffer.concat(embeddings.filter((embedding) => embedding !== null)).toString("base64"), starts };
}
