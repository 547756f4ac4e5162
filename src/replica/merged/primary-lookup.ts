import type { Ending } from "../../domain/ending.ts";
import type { Fragment, PostgresAccess, Sql } from "../../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "../../ledger/arrays.ts";
import { endingOf } from "../../ledger/body-rows.ts";
import { LedgerCalls } from "../../ledger/bound-statements.ts";
import { EXPIRING_MS, type PrimaryFacts, type PrimaryLookup, type PrimaryRow, type PrimarySince } from "./sides.ts";

interface LookupRow {
  readonly epoch: string;
  /** Null: no tombstone was pruned. */
  readonly xid: string | null;
  readonly seq: string | null;
  /** Null: none of the ids is known. */
  readonly memory_id: string | null;
  readonly version: number | null;
  readonly ended_by: Ending | null;
  readonly is_expired: boolean | null;
  readonly is_settled: boolean | null;
  readonly is_refused: boolean | null;
}

/**
 * The rows of memories, tombstones included, with the epoch and the place of the newest pruned tombstone: one statement, so that
 * all of them are of one moment.
 */
export async function lookUpMemories(
  sql: Sql,
  namespace: string,
  memoryIds: readonly string[],
  since: PrimarySince | null = null,
): Promise<PrimaryFacts> {
  const rows = await sql<LookupRow[]>`
    select f.epoch, f.xid, f.seq, k.memory_id, v.version, v.ended_by, v.is_expired, v.is_settled, r.is_refused
    from (
      select (select value from mnemosync.sync_meta where name = 'store_epoch') as epoch, p.xid::text as xid, p.seq::text as seq
      from (values (1)) one left join mnemosync.tombstones_pruned p on true
    ) f
    left join unnest(${arrayLiteral(memoryIds)}::text::text[]) as k (memory_id) on true
    left join lateral (
      select v.version::float8 as version, ${endingOf(sql)} as ended_by,
             v.checksum is not null and coalesce(v.expires_at <= clock_timestamp(), false) as is_expired,
             ${since === null ? sql`true` : isSettled(sql, since)} as is_settled
      from mnemosync.memory_versions v where v.namespace = ${namespace}::text and v.memory_id = k.memory_id offset 0
    ) v on true
    left join lateral (
      select true as is_refused from mnemosync.replica_dead_letters d
      where d.namespace = ${namespace}::text and d.memory_id = k.memory_id limit 1
    ) r on true`;
  const found = new Map<string, PrimaryRow>();
  const refused = new Set<string>();
  const unsettled = new Set<string>();
  for (const { memory_id: memoryId, version, ended_by: endedBy, is_expired: isExpired, ...is } of rows) {
    if (memoryId === null) continue;
    if (version !== null) found.set(memoryId, { version, endedBy, isExpired: isExpired === true });
    if (is.is_refused === true) refused.add(memoryId);
    if (is.is_settled === false) unsettled.add(memoryId);
  }
  const [{ epoch, xid, seq } = { epoch: "", xid: null, seq: null }] = rows;
  const tombstonesPruned = xid === null || seq === null ? null : { xid, seq };
  return { epoch, tombstonesPruned, rows: found, refused, unsettled };
}

/** Of a narrow row called v: it was there already at a moment, and does not change by the clock from then on. */
function isSettled(sql: Sql, { snapshot, moment }: PrimarySince): Fragment {
  const horizon = sql`${EXPIRING_MS}::float8 * interval '1 millisecond'`;
  return sql`(
      coalesce(pg_visible_in_snapshot(coalesce(v.xid, (
        select b.xid from mnemosync.memory_bodies b
        where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version
      )), ${snapshot}::text::pg_snapshot), false)
      and (v.checksum is null or v.expires_at is null or v.expires_at <= ${moment}::text::timestamptz
           or v.expires_at > clock_timestamp() + ${horizon})
    )`;
}

/** Rows as they were at a moment each: the newest version that was committed by then. */
export async function readAsOf(
  sql: Sql,
  namespace: string,
  wanted: readonly (PrimarySince & { readonly memoryId: string })[],
): Promise<Map<string, PrimaryRow>> {
  const isVisible = (xid: Fragment) => sql`pg_visible_in_snapshot(${xid}, k.snapshot::pg_snapshot)`;
  const rows = await sql<(PrimaryRow & { memoryId: string })[]>`
    select k.memory_id as "memoryId", s.version::float8 as version,
           case when s.checksum is null then coalesce(s.ended_by, 'deleted') end as "endedBy",
           s.checksum is not null and coalesce(s.expires_at <= k.moment::timestamptz, false) as "isExpired"
    from unnest(
      ${arrayLiteral(wanted.map(({ memoryId }) => memoryId))}::text::text[],
      ${arrayLiteral(wanted.map(({ snapshot }) => snapshot))}::text::text[],
      ${arrayLiteral(wanted.map(({ moment }) => moment))}::text::text[]
    ) as k (memory_id, snapshot, moment)
    cross join lateral (
      select * from (
        (select b.version, b.checksum, b.ended_by, b.expires_at from mnemosync.memory_bodies b
         where b.namespace = ${namespace}::text and b.memory_id = k.memory_id and ${isVisible(sql`b.xid`)}
         order by b.version desc limit 1)
        union all
        -- From before migration 19, and not moved: its place stands on the row.
        (select v.version, v.checksum, v.ended_by, v.expires_at from mnemosync.memory_versions v
         where v.namespace = ${namespace}::text and v.memory_id = k.memory_id and ${isVisible(sql`v.xid`)})
      ) both_places
      order by version desc limit 1
    ) s`;
  return new Map(rows.map(({ memoryId, ...row }) => [memoryId, row]));
}

/** Asks the primary about memories that only the replica showed. */
export class PostgresPrimaryLookup implements PrimaryLookup {
  readonly #calls: LedgerCalls;

  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    this.#calls = new LedgerCalls(postgres, callTimeoutMs);
  }

  async lookUp(
    namespace: string,
    memoryIds: readonly string[],
    since: PrimarySince | null,
    signal: AbortSignal,
  ): Promise<PrimaryFacts> {
    return await this.#calls.use(signal, ({ sql }) => lookUpMemories(sql, namespace, memoryIds, since));
  }

  async asOf(
    namespace: string,
    wanted: readonly (PrimarySince & { readonly memoryId: string })[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, PrimaryRow>> {
    return await this.#calls.use(signal, ({ sql }) => readAsOf(sql, namespace, wanted));
  }
}
