import type { MemoryKey } from "../domain/keys.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { isBeyondRetention } from "./stored-times.ts";

/** What is kept of the past of a namespace's memories. Milliseconds; 0: for ever. */
export interface RetentionRule {
  /** Replaced versions per memory. */
  readonly historyVersionsMax: number;
  /** Since a replaced version was written. */
  readonly historyMs: number;
  /** Since a conflict was settled. */
  readonly evidenceMs: number;
  /** Since a memory ended: its tombstone. */
  readonly tombstoneMs: number;
}

/** The rule of all namespaces, and those of single ones. */
export interface RetentionRules {
  readonly general: RetentionRule;
  readonly byNamespace: ReadonlyMap<string, RetentionRule>;
}

/** A place in the order of bodies. */
export interface BodyPlace extends MemoryKey {
  readonly version: number;
}

/** The result of one page of pruning. */
export interface PrunedPage {
  readonly pruned: number;
  /** Where the next page begins; null at the end. */
  readonly last: BodyPlace | null;
}

/**
 * Prunes replaced versions that the rules no longer keep, among the `limit` bodies behind `after`. The latest version below the
 * feed's horizon stays, however old it is: readers of the feed may not have been told of a later one.
 */
export async function pruneHistoryPage(
  sql: Sql,
  rules: RetentionRules,
  after: BodyPlace | null,
  limit: number,
): Promise<PrunedPage> {
  const { namespace, memoryId, version } = after ?? { namespace: "", memoryId: "", version: 0 };
  const { historyVersionsMax, historyMs } = rules.general;
  const kept = sql`coalesce(r.history_ms, ${historyMs}::float8)`;
  const [row] = await sql<{ looked: number; pruned: number; namespace: string; memory_id: string; version: number }[]>`
    with page as materialized (
      select b.ctid as place, b.namespace, b.memory_id, b.version, b.modified_at from mnemosync.memory_bodies b
      where (b.namespace, b.memory_id, b.version) > (${namespace}::text, ${memoryId}::text, ${version}::float8::bigint)
      order by b.namespace, b.memory_id, b.version
      limit ${limit}
    ), gone as (
      delete from mnemosync.memory_bodies where ctid = any (array(
        select p.place from page p
        cross join lateral (
          select v.version from mnemosync.memory_versions v
          where v.namespace = p.namespace and v.memory_id = p.memory_id offset 0
        ) v
        left join ${overrides(sql, rules)} on r.namespace = p.namespace
        where p.version < v.version
          and (p.version < v.version - coalesce(r.history_versions_max, ${historyVersionsMax}::bigint)
               or (${kept} > 0 and ${isOlder(sql, sql`p.modified_at`, kept)}))
          and exists (
            select from mnemosync.memory_bodies n
            where n.namespace = p.namespace and n.memory_id = p.memory_id and n.version > p.version
              and (n.xid is null or n.xid < pg_snapshot_xmin(pg_current_snapshot())))
      ))
      returning 1
    )
    select (select count(*)::int from page) as looked, (select count(*)::int from gone) as pruned,
           l.namespace, l.memory_id, l.version::float8 as version
    from (values (1)) one left join (
      select namespace, memory_id, version from page order by namespace desc, memory_id desc, version desc limit 1
    ) l on true`;
  const isLast = row === undefined || row.looked < limit;
  const last = isLast ? null : { namespace: row.namespace, memoryId: row.memory_id, version: row.version };
  return { pruned: row?.pruned ?? 0, last };
}

/** Prunes records of conflicts that were settled longer ago than the rules keep them. Pending ones stay. @returns how many. */
export async function pruneEvidence(sql: Sql, rules: RetentionRules, limit: number): Promise<number> {
  const kept = sql`coalesce(r.evidence_ms, ${rules.general.evidenceMs}::float8)`;
  const times = [rules.general, ...rules.byNamespace.values()].map(({ evidenceMs }) => evidenceMs);
  const shortest = Math.min(...times.filter((milliseconds) => milliseconds > 0));
  if (!Number.isFinite(shortest)) return 0;
  const pruned = await sql`
    delete from mnemosync.conflict_resolutions where id = any (array(
      select c.id from mnemosync.conflict_resolutions c
      left join ${overrides(sql, rules)} on r.namespace = c.namespace
      where c.state <> 'pending' and ${isBeyondRetention(sql, sql`c.resolved_at`, shortest)}
        and ${kept} > 0 and ${isOlder(sql, sql`c.resolved_at`, kept)}
      order by c.resolved_at
      limit ${limit}
      for update of c skip locked))`;
  return pruned.count;
}

/** Rules of single namespaces as a table called r. */
export function overrides(sql: Sql, { byNamespace }: RetentionRules): Fragment {
  const rules = [...byNamespace.values()];
  return sql`unnest(
      ${arrayLiteral([...byNamespace.keys()])}::text::text[],
      ${arrayLiteral(rules.map(({ historyVersionsMax }) => historyVersionsMax))}::text::bigint[],
      ${arrayLiteral(rules.map(({ historyMs }) => historyMs))}::text::float8[],
      ${arrayLiteral(rules.map(({ evidenceMs }) => evidenceMs))}::text::float8[],
      ${arrayLiteral(rules.map(({ tombstoneMs }) => tombstoneMs))}::text::float8[]
    ) as r (namespace, history_versions_max, history_ms, evidence_ms, tombstone_ms)`;
}

function isOlder(sql: Sql, time: Fragment, milliseconds: Fragment): Fragment {
  return sql`${time} < clock_timestamp() - ${milliseconds} * interval '1 millisecond'`;
}
