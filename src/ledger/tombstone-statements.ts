import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { shortestTombstoneMs } from "./retention.ts";
import { overrides, type RetentionRules } from "./retention-statements.ts";
import { isBeyondRetention, isOlderThan } from "./stored-times.ts";

/**
 * Milliseconds between the raising of a floor and the first deletion of a tombstone below it. A statement that began before the
 * floor was raised does not see it, and may create a memory anew that it finds deleted: none runs for this long.
 */
const FLOOR_LEAD_MS = 600_000;

/** The result of one batch of pruning. */
export interface PrunedTombstones {
  /** Memories that were forgotten, tombstone and history. */
  readonly pruned: number;
  /** Buckets whose floor was raised, so that their tombstones can be pruned some time later. */
  readonly raised: number;
}

/**
 * Forgets memories that ended longer ago than the rule of their namespace keeps tombstones, in two steps. First the version floors of their
 * buckets are raised, in a transaction of its own; ten minutes later the tombstones go, with their history. A new memory starts
 * above the floor of its bucket, so no version number is ever given twice, though no row of the ended memory is left.
 *
 * These stay: erased memories, whose tombstone keeps them from coming back; those that a store, a transaction or a conflict
 * still waits for, or a replica refused; and those that a reader with a named cursor has not been told of, or a device that called within
 * `deviceHoldMs` milliseconds.
 *
 * Ended memories are found by the time of their end. So where some namespaces keep tombstones longer than others, each batch
 * passes by those that are kept, by the index.
 * @param limit tombstones that each step takes.
 */
export async function pruneTombstones(
  sql: Sql,
  rules: RetentionRules,
  deviceHoldMs: number,
  limit: number,
): Promise<PrunedTombstones> {
  const shortestMs = shortestTombstoneMs(rules);
  if (shortestMs === null) return { pruned: 0, raised: 0 };
  const [gone] = await sql<{ pruned: number }[]>`
    with ready as materialized (
      select v.ctid as place, v.namespace, v.memory_id from mnemosync.memory_versions v
      join mnemosync.version_floors f on f.bucket = v.bucket and f.floor >= v.version
      left join ${overrides(sql, rules)} on r.namespace = v.namespace
      where ${isForgettable(sql, rules, shortestMs, deviceHoldMs)} and ${isOlderThan(sql, sql`f.raised_at`, FLOOR_LEAD_MS)}
      limit ${limit}
      for update of v skip locked
    ), bodies as (
      delete from mnemosync.memory_bodies where ctid = any (array(
        select b.ctid from ready r cross join lateral (
          select ctid from mnemosync.memory_bodies b
          where b.namespace = r.namespace and b.memory_id = r.memory_id offset 0
        ) b
      ))
      returning xid, seq
    ), pruned as (
      -- Read by readers that were away for long: behind this place they have missed a deletion.
      insert into mnemosync.tombstones_pruned as p (xid, seq)
      select xid, seq from bodies order by xid desc, seq desc limit 1
      on conflict (only_row) do update set xid = excluded.xid, seq = excluded.seq
        where (p.xid, p.seq) < (excluded.xid, excluded.seq)
    ), writers as (
      delete from mnemosync.hub_memories h using ready r where h.namespace = r.namespace and h.memory_id = r.memory_id
    ), tombstones as (
      delete from mnemosync.memory_versions where ctid = any (array(select place from ready)) returning 1
    )
    select count(*)::int as pruned from tombstones`;
  const [floors] = await sql<{ raised: number }[]>`
    with due as materialized (
      select v.bucket, max(v.version) as version
      from (
        select v.bucket, v.version from mnemosync.memory_versions v
        left join mnemosync.version_floors f on f.bucket = v.bucket
        left join ${overrides(sql, rules)} on r.namespace = v.namespace
        where ${isForgettable(sql, rules, shortestMs, deviceHoldMs)} and coalesce(f.floor, 0) < v.version
        limit ${limit}
      ) v
      group by v.bucket
    ), raised as (
      insert into mnemosync.version_floors as f (bucket, floor)
      select bucket, version from due order by bucket
      on conflict (bucket) do update set floor = excluded.floor, raised_at = clock_timestamp()
        where f.floor < excluded.floor
      returning 1
    )
    select count(*)::int as raised from raised`;
  return { pruned: gone?.pruned ?? 0, raised: floors?.raised ?? 0 };
}

/** Of a row called v, with its override as r: its memory has ended long ago, and nothing waits for its tombstone. */
function isForgettable(sql: Sql, { general }: RetentionRules, shortestMs: number, deviceHoldMs: number): Fragment {
  const kept = sql`coalesce(r.tombstone_ms, ${general.tombstoneMs}::float8)`;
  return sql`(
    v.deleted_at is not null and v.ended_by is distinct from 'erased' and v.xid is null
    and ${isBeyondRetention(sql, sql`v.deleted_at`, shortestMs)}
    and ${kept} > 0 and (v.deleted_at < clock_timestamp() - ${kept} * interval '1 millisecond'
                         or v.deleted_at > clock_timestamp() + ${kept} * interval '1 millisecond')
    and not exists (select from mnemosync.sync_transactions t where t.tx_id = v.tx_id and t.state = 'committed')
    and not exists (select from mnemosync.sync_queue q where q.namespace = v.namespace and q.memory_id = v.memory_id)
    and not exists (
      select from mnemosync.conflict_resolutions c
      where c.namespace = v.namespace and c.memory_id = v.memory_id and c.state = 'pending')
    -- A replica refused what it was told of this memory last, so it may not know of the end.
    and not exists (
      select from mnemosync.replica_dead_letters d where d.namespace = v.namespace and d.memory_id = v.memory_id)
    and not exists (
      select from mnemosync.memory_bodies b, mnemosync.feed_cursors k
      where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version
        and (b.xid, b.seq) > (k.xid, k.seq))
    and not exists (
      select from mnemosync.memory_bodies b, (
        select d.xid, d.seq from mnemosync.hub_devices d
        where d.xid is not null and d.revoked_at is null and not ${isBeyondRetention(sql, sql`d.last_seen_at`, deviceHoldMs)}
        order by d.xid, d.seq limit 1
      ) k
      where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version
        and (b.xid, b.seq) > (k.xid, k.seq)))`;
}
