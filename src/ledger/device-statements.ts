import type { FeedCursor } from "../domain/change-source.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { isBeyondRetention } from "./stored-times.ts";

/** A device as the hub knows it. Times are milliseconds since 1970. */
export interface DeviceRow {
  readonly device: string;
  readonly owner: string;
  readonly name: string | null;
  readonly settledThrough: string | null;
  /** Where it reads on; null: it has not read yet. */
  readonly epoch: string | null;
  readonly xid: string | null;
  readonly seq: string | null;
  /** The text in which it was given. */
  readonly cursor: string | null;
  readonly readAt: number | null;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly revokedAt: number | null;
}

/** What a device says when it calls. */
export interface DeviceCall {
  readonly device: string;
  readonly owner: string;
  /** Null: as it is kept. */
  readonly name: string | null;
  /** Taken over where it is greater than the kept one, and only with the ledger's own epoch. */
  readonly settledThrough: string | null;
  readonly epoch: string | null;
  /** Devices of one owner, at most. */
  readonly devicesMax: number;
}

/** A call as the ledger met it. */
export interface MetDevice {
  /** The ledger's epoch and clock. */
  readonly ledgerEpoch: string;
  readonly now: number;
  /** As it is kept; null: it is unknown, and its owner has as many devices as it may. */
  readonly row: DeviceRow | null;
}

const milliseconds = (column: string) => `floor(extract(epoch from ${column}) * 1000)::float8`;

/** Of a row called d. */
const COLUMNS = `
  d.device, d.owner, d.name, d.settled_through as "settledThrough", d.cursor_epoch as epoch, d.xid::text as xid,
  d.seq::text as seq, d.cursor, ${milliseconds("d.read_at")} as "readAt", ${milliseconds("d.first_seen_at")} as "firstSeenAt",
  ${milliseconds("d.last_seen_at")} as "lastSeenAt", ${milliseconds("d.revoked_at")} as "revokedAt"`;

/** Claims that one call prunes, at most; the next call goes on. */
const PRUNED_MAX = 10_000;

/**
 * Notes that a device calls, and makes it known where it is new. What it calls settled is forgotten and refused from then on.
 * Nothing is changed of a device that is revoked, or of another owner: the row says so.
 */
export async function noteDevice(sql: Sql, call: DeviceCall): Promise<void> {
  const { device, owner, name, settledThrough, epoch, devicesMax } = call;
  await sql`
    with meta as materialized (
      select value as epoch from mnemosync.sync_meta where name = 'store_epoch'
    ), met as (
      insert into mnemosync.hub_devices as d (device, owner, name, settled_through)
      select ${device}, ${owner}, ${name}::text, case when m.epoch = ${epoch}::text then ${settledThrough}::text end
      from meta m
      where exists (select from mnemosync.hub_devices where device = ${device})
         or (select count(*) from mnemosync.hub_devices where owner = ${owner}) < ${devicesMax}
      on conflict (device) do update set
        last_seen_at = clock_timestamp(), name = coalesce(excluded.name, d.name),
        settled_through = greatest(d.settled_through, excluded.settled_through)
      where d.owner = excluded.owner and d.revoked_at is null
      returning d.settled_through
    )
    -- In the same transaction: a change that is on its way sees its claim, or its key below the floor.
    delete from mnemosync.hub_claims c
    using met
    where c.device = ${device} and met.settled_through is not null and c.ctid = any (array(
      select o.ctid from mnemosync.hub_claims o
      where o.device = ${device} and o.key <= (select settled_through from met)
      order by o.key
      limit ${PRUNED_MAX}))`;
}

/** $1 names the device. One text and not put together of fragments: each push asks this first, and the driver takes 10 µs for a fragment. */
const RECOGNISE = `
  select (select value from mnemosync.sync_meta where name = 'store_epoch') as "ledgerEpoch",
         extract(epoch from clock_timestamp())::float8 * 1000 as now, d.device as known, ${COLUMNS}
  from (values (1)) one left join mnemosync.hub_devices d on d.device = $1::text`;

/** A device as it is kept, with the ledger's epoch and clock. Changes nothing. */
export async function recogniseDevice(sql: Sql, device: string): Promise<MetDevice> {
  const [row] = await sql.unsafe<(DeviceRow & { ledgerEpoch: string; now: number; known: string | null })[]>(
    RECOGNISE,
    [device],
    { prepare: true },
  );
  const { ledgerEpoch = "", now = 0, known = null, ...rest } = row ?? ({} as Partial<NonNullable<typeof row>>);
  return { ledgerEpoch, now: Math.floor(now), row: known === null ? null : (rest as DeviceRow) };
}

/** Gives a device to another owner, provided that `from` has it. @returns whether. */
export async function moveDevice(sql: Sql, device: string, from: string, to: string): Promise<boolean> {
  const moved = await sql`
    update mnemosync.hub_devices set owner = ${to} where device = ${device} and owner = ${from}`;
  return moved.count > 0;
}

/** Keeps where a device reads on. It may go back: a device's file may have been restored. */
export async function keepDevicePlace(
  sql: Sql,
  device: string,
  epoch: string,
  place: FeedCursor,
  cursor: string,
): Promise<void> {
  await sql`
    update mnemosync.hub_devices
    set cursor_epoch = ${epoch}, xid = ${place.xid}::text::xid8, seq = ${place.seq}::text::bigint, cursor = ${cursor},
        read_at = clock_timestamp(), last_seen_at = clock_timestamp()
    where device = ${device}`;
}

/** Behind `after`, in the order of names. */
export async function listDevices(sql: Sql, after: string, limit: number): Promise<(DeviceRow & DeviceStanding)[]> {
  return await sql`
    select ${sql.unsafe(COLUMNS)}, ${standing(sql)}
    from mnemosync.hub_devices d
    where d.device > ${after}
    order by d.device
    limit ${limit}`;
}

/** How a device stands. */
export interface DeviceStanding {
  /** Claims that are kept for it. */
  readonly claims: number;
  /** Seconds since the oldest change that it was not told of; 0: none; null: it has not read in this epoch. */
  readonly behindSeconds: number | null;
}

export async function readDevice(sql: Sql, device: string): Promise<(DeviceRow & DeviceStanding) | null> {
  const [row] = await sql<(DeviceRow & DeviceStanding)[]>`
    select ${sql.unsafe(COLUMNS)}, ${standing(sql)} from mnemosync.hub_devices d where d.device = ${device}`;
  return row ?? null;
}

/**
 * Waits for the transactions that have seen the device as one that may push: nothing of it is applied afterwards.
 * @returns whether the device is known. Twice is once.
 */
export async function revokeDevice(sql: Sql, device: string): Promise<boolean> {
  const revoked = await sql`
    with locked as materialized (select device from mnemosync.hub_devices where device = ${device} for update)
    update mnemosync.hub_devices d set revoked_at = coalesce(d.revoked_at, clock_timestamp())
    from locked where d.device = locked.device`;
  return revoked.count > 0;
}

/** Takes a revocation back. @returns whether the device is known. */
export async function admitDevice(sql: Sql, device: string): Promise<boolean> {
  const admitted = await sql`update mnemosync.hub_devices set revoked_at = null where device = ${device}`;
  return admitted.count > 0;
}

/** Claims that are kept for a device, counted up to `max`. */
export async function countClaims(sql: Sql, device: string, max: number): Promise<number> {
  const [row] = await sql<{ claims: number }[]>`
    select count(*)::int as claims from (select from mnemosync.hub_claims where device = ${device} limit ${max}) c`;
  return row?.claims ?? 0;
}

/** The place of the newest tombstone that was pruned; null: none was. */
export async function readTombstonesPruned(sql: Sql): Promise<FeedCursor | null> {
  const [row] = await sql<FeedCursor[]>`select xid::text as xid, seq::text as seq from mnemosync.tombstones_pruned`;
  return row ?? null;
}

/** Devices for metrics: how many there are by state, and those that are furthest behind. */
export interface DeviceGauges {
  readonly active: number;
  readonly quiet: number;
  readonly revoked: number;
  readonly claims: number;
  readonly behind: readonly { readonly device: string; readonly behindSeconds: number }[];
}

/** @param quietMs milliseconds without a call, after which a device counts as quiet. @param shownMax devices by name. */
export async function readDeviceGauges(sql: Sql, quietMs: number, shownMax: number): Promise<DeviceGauges> {
  const quiet = isBeyondRetention(sql, sql`last_seen_at`, quietMs);
  const [counts] = await sql<Omit<DeviceGauges, "behind">[]>`
    select count(*) filter (where revoked_at is null and not ${quiet})::int as active,
           count(*) filter (where revoked_at is null and ${quiet})::int as quiet,
           count(*) filter (where revoked_at is not null)::int as revoked,
           (select count(*)::int from (select from mnemosync.hub_claims limit 1000000) c) as claims
    from mnemosync.hub_devices`;
  const behind = await sql<{ device: string; behindSeconds: number }[]>`
    select d.device, coalesce(s."behindSeconds", 0) as "behindSeconds"
    from (
      select * from mnemosync.hub_devices
      where xid is not null and revoked_at is null and not ${quiet}
      order by xid, seq
      limit ${shownMax}
    ) d cross join lateral (select ${standing(sql)}) s`;
  return { active: 0, quiet: 0, revoked: 0, claims: 0, ...counts, behind };
}

/** Of a row called d. The namespaces that it may see are not known here: a change of any namespace counts. */
function standing(sql: Sql) {
  return sql`
    (select count(*)::int from (select from mnemosync.hub_claims c where c.device = d.device limit 100000) c) as claims,
    case when d.cursor_epoch = (select value from mnemosync.sync_meta where name = 'store_epoch') then coalesce((
      select greatest(0, extract(epoch from clock_timestamp() - coalesce(t.created_at, b.modified_at)))::float8
      from (
        select tx_id, modified_at from mnemosync.memory_bodies b
        where (b.xid, b.seq) > (d.xid, d.seq) and b.xid < pg_snapshot_xmin(pg_current_snapshot())
        order by b.xid, b.seq limit 1
      ) b left join mnemosync.sync_transactions t on t.tx_id = b.tx_id
    ), 0) end as "behindSeconds"`;
}
