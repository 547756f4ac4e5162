import type { FeedCursor } from "../domain/change-source.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { PRIVACIES, type Privacy } from "../domain/memory.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "../ledger/arrays.ts";

/** What the primary has behind a version of a memory, as of a moment not before the version was read. */
export interface LaterFacts {
  /** The current version; null: the primary no longer has the memory. */
  readonly version: number | null;
  /** Milliseconds since 1970; null with `version`. */
  readonly createdAt: number | null;
  /** The strictest privacy of the versions behind it. One that was withdrawn or erased counts as `local_only`. */
  readonly strictest: Privacy;
  /** The newest transaction, as a number of the server, that wrote one of the versions behind it; null: there is none. */
  readonly behindXid: number | null;
  /** What wrote the current version; null where the primary has no record of it, and where nothing stricter stands behind. */
  readonly transactionId: string | null;
}

/** A version behind a page that withholds one on it. */
export interface Withholding {
  readonly xid: number;
  /** The transaction of the memory's current version, which is that of this one or a later one; null: there is no record of it. */
  readonly transactionId: string | null;
}

/** Versions behind `to` that withhold earlier ones. Where the primary loses one of them, what it withheld must be told in full. */
export function withholdingsOf(facts: Iterable<LaterFacts | undefined>, to: FeedCursor): Withholding[] {
  const found = new Map<string | null, Withholding>();
  const end = Number(to.xid);
  for (const later of facts) {
    if (later === undefined || later.strictest === "full" || later.behindXid === null || later.behindXid <= end)
      continue;
    const { transactionId, behindXid } = later;
    const xid = Math.max(behindXid, found.get(transactionId)?.xid ?? 0);
    found.set(transactionId, { xid, transactionId });
  }
  return [...found.values()];
}

export interface PageFacts {
  /** In the order of the versions that were asked for. */
  readonly later: readonly LaterFacts[];
  /** The newest tombstone that was pruned; null: none was. */
  readonly pruned: FeedCursor | null;
}

/** The strictest privacy of bodies b, as SQL: see `strictestOf`. */
export const STRICTEST = `max(case when b.ended_by in ('withdrawn', 'erased') or b.document ->> 'privacy' = 'local_only' then 2
    when b.document ->> 'privacy' = 'redacted' then 1 else 0 end)`;

/** The transaction of the current version v, as SQL, where there is a record of it: an import of a program from before has none. */
export const CURRENT_TRANSACTION = `(select t.tx_id from mnemosync.sync_transactions t where t.tx_id = v.tx_id)`;

/**
 * What the primary knows of versions of a page, beside the page, and how far tombstones are pruned. Asked after the page was
 * read: a tombstone that the page lacks because it was pruned shows here. The bodies behind a version are read up to the next one that
 * was asked for, which has the strictest of the rest: each is read once, however many versions of its memory are asked for.
 */
export async function readPageFacts(
  sql: Sql,
  versions: readonly (MemoryKey & { version: number })[],
): Promise<PageFacts> {
  const [namespaces, memoryIds] = keyLiterals(versions);
  const rows = await sql<
    (Omit<LaterFacts, "strictest"> & {
      strictest: number;
      place: number | null;
      xid: string | null;
      seq: string | null;
    })[]
  >`
    select k.place::int as place, v.version::float8 as version,
           extract(epoch from coalesce(v.created_at, v.modified_at))::float8 * 1000 as "createdAt",
           coalesce(max(w.strictest) over behind, 0) as strictest, max(w.xid) over behind as "behindXid",
           ${sql.unsafe(CURRENT_TRANSACTION)} as "transactionId", p.xid::text as xid, p.seq::text as seq
    from (values (1)) one
    left join mnemosync.tombstones_pruned p on true
    left join (
      select k.*, coalesce(lead(version) over versions, 9223372036854775807) as next
      from unnest(
        ${namespaces}::text::text[], ${memoryIds}::text::text[],
        ${arrayLiteral(versions.map(({ version }) => version))}::text::bigint[]
      ) with ordinality as k (namespace, memory_id, version, place)
      window versions as (partition by namespace collate "C", memory_id collate "C" order by version)
    ) k on true
    left join lateral (
      select v.version, v.created_at, v.modified_at, v.tx_id from mnemosync.memory_versions v
      where v.namespace = k.namespace and v.memory_id = k.memory_id offset 0
    ) v on true
    left join lateral (
      select ${sql.unsafe(STRICTEST)} as strictest, max(b.xid::text::float8) as xid
      from mnemosync.memory_bodies b
      where b.namespace = k.namespace and b.memory_id = k.memory_id and b.version > k.version and b.version <= k.next
    ) w on true
    window behind as (
      partition by k.namespace collate "C", k.memory_id collate "C" order by k.version
      rows between current row and unbounded following)
    order by k.place`;
  const [{ xid, seq } = { xid: null, seq: null }] = rows;
  return {
    later: rows
      .filter(({ place }) => place !== null)
      .map(({ version, createdAt, strictest, behindXid, transactionId }) => ({
        ...{ version, createdAt, behindXid, transactionId },
        strictest: strictestOf(strictest),
      })),
    pruned: xid === null || seq === null ? null : { xid, seq },
  };
}

/** @param rank 0 … 2, as `STRICTEST` counts. */
export function strictestOf(rank: number): Privacy {
  return PRIVACIES[rank] ?? "local_only";
}

/** Transactions below this one have ended: what of them is not there by now will never be. */
export async function readOldestRunning(sql: Sql): Promise<number> {
  const [row] = await sql<{ xmin: string }[]>`select pg_snapshot_xmin(pg_current_snapshot())::text as xmin`;
  return Number(row?.xmin ?? 0);
}

/** Changes that a lag counts, at most. */
export const LAG_CHANGES_MAX = 100_000;

/** How far the replica is behind the primary. */
export interface Lag {
  /** Versions behind the place, up to `max`. */
  readonly changes: number;
  /** Age of the oldest one, in seconds; 0: there is none. */
  readonly seconds: number;
}

export async function readLag(sql: Sql, cursor: FeedCursor, max: number): Promise<Lag> {
  const [row] = await sql<Lag[]>`
    with behind as materialized (
      select b.tx_id, b.modified_at from mnemosync.memory_bodies b
      where (b.xid, b.seq) > (${cursor.xid}::text::xid8, ${cursor.seq}::text::bigint)
      order by b.xid, b.seq limit 1
    )
    select (
      select count(*)::int from (
        select from mnemosync.memory_bodies b
        where (b.xid, b.seq) > (${cursor.xid}::text::xid8, ${cursor.seq}::text::bigint) limit ${max}
      ) counted
    ) as changes, coalesce((
      -- A change may bring a time of its own: its transaction says when it was committed, as long as that is kept.
      select greatest(0, extract(epoch from clock_timestamp() - coalesce(t.created_at, b.modified_at)))::float8
      from behind b left join mnemosync.sync_transactions t on t.tx_id = b.tx_id
    ), 0) as seconds`;
  return row ?? { changes: 0, seconds: 0 };
}

/** In `sync_meta` of the primary: since when replication is paused, on all nodes. */
const PAUSED = "replica_paused";

/** Until `resumeReplication` no node writes to the replica. Twice is once. */
export async function pauseReplication(sql: Sql): Promise<void> {
  await sql`
    insert into mnemosync.sync_meta (name, value) values (${PAUSED}, clock_timestamp()::text)
    on conflict (name) do nothing`;
}

export async function resumeReplication(sql: Sql): Promise<void> {
  await sql`delete from mnemosync.sync_meta where name = ${PAUSED}`;
}

export async function isReplicationPaused(sql: Sql): Promise<boolean> {
  return (await sql`select 1 from mnemosync.sync_meta where name = ${PAUSED}`).length > 0;
}
