import type { Ending } from "../domain/ending.ts";
import { compareUtf8, type MemoryKey } from "../domain/keys.ts";
import type { Privacy } from "../domain/memory.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { endingOf, wideRow } from "./body-rows.ts";

/** A change that a device pushed, beside the memory that it concerns. */
export interface PushedChange extends MemoryKey {
  readonly device: string;
  /** ULID, of the device's changes. */
  readonly key: string;
}

/** What the ledger knows of a pushed change, read while the row of its memory is locked. */
export interface PushedFacts {
  readonly epoch: string;
  /** Null: the device is unknown. */
  readonly device: { readonly settledThrough: string | null; readonly isRevoked: boolean } | null;
  /** The change that was applied under its key; null: none. */
  readonly taken: { readonly version: number; readonly fingerprint: string | null } | null;
  /** Of the memory as it stands; null: it has ended, or is unknown. */
  readonly privacy: Privacy | null;
  /** The device that holds the content which the ledger does not have; null: there is none. */
  readonly holder: string | null;
}

/** A change that a transaction applies. */
export interface AppliedChange extends PushedChange {
  readonly fingerprint: string;
  /** Of the answer. */
  readonly version: number;
  /** Whether the memory was written: an equal content is not. */
  readonly writes: boolean;
  readonly holder: string | null;
}

/**
 * The facts of pushed changes, in order. Call it with the memories' rows locked. The devices' rows are locked against being
 * settled, in order: so a claim is either seen, or its key is known to be settled.
 */
export async function readPushedFacts(sql: Sql, changes: readonly PushedChange[]): Promise<PushedFacts[]> {
  const names = [...new Set(changes.map(({ device }) => device))].sort();
  // Before the claims, and awaited: a settling device deletes claims and moves its row in one transaction.
  const devices = await sql<{ device: string; settled_through: string | null; is_revoked: boolean }[]>`
    select device, settled_through, revoked_at is not null as is_revoked from mnemosync.hub_devices
    where device = any (${arrayLiteral(names)}::text::text[])
    order by device
    for share`;
  const [namespaces, memoryIds] = keyLiterals(changes);
  const rows = await sql<
    {
      epoch: string;
      taken: string | null;
      version: number | null;
      fingerprint: string | null;
      privacy: Privacy | null;
      holder: string | null;
    }[]
  >`
    select (select value from mnemosync.sync_meta where name = 'store_epoch') as epoch,
           c.key as taken, c.version::float8 as version, c.fingerprint, m.document ->> 'privacy' as privacy, h.holder
    from unnest(${arrayLiteral(changes.map(({ device }) => device))}::text::text[],
                ${arrayLiteral(changes.map(({ key }) => key))}::text::text[],
                ${namespaces}::text::text[], ${memoryIds}::text::text[])
         with ordinality as k (device, key, namespace, memory_id, position)
    left join mnemosync.hub_claims c on c.device = k.device and c.key = k.key
    left join mnemosync.memory_versions v on v.namespace = k.namespace and v.memory_id = k.memory_id
    left join mnemosync.hub_memories h
      on h.namespace = k.namespace and h.memory_id = k.memory_id and h.version = v.version
    left join lateral ${wideRow(sql)} m on v.checksum is not null
    order by k.position`;
  const known = new Map(devices.map((row) => [row.device, row]));
  return rows.map((row, index) => {
    const device = known.get(changes[index]?.device ?? "");
    return {
      epoch: row.epoch,
      device: device === undefined ? null : { settledThrough: device.settled_through, isRevoked: device.is_revoked },
      taken: row.taken === null ? null : { version: row.version ?? 0, fingerprint: row.fingerprint },
      privacy: row.privacy,
      holder: row.holder,
    };
  });
}

/**
 * Claims the keys of changes, in the transaction that applies them, and notes who wrote the memories.
 * @returns false where another transaction took one of the keys since: this one must be rolled back.
 */
export async function keepAppliedChanges(sql: Sql, changes: readonly AppliedChange[]): Promise<boolean> {
  // In one order, so that two repeats cannot wait for each other.
  const ordered = changes.toSorted((a, b) => compareUtf8(a.device, b.device) || compareUtf8(a.key, b.key));
  const column = (pick: (change: AppliedChange) => string | number | boolean | null) => arrayLiteral(ordered.map(pick));
  const [namespaces, memoryIds] = keyLiterals(ordered);
  const [row] = await sql<{ claimed: number }[]>`
    with applied as materialized (
      select * from unnest(${column(({ device }) => device)}::text::text[], ${column(({ key }) => key)}::text::text[],
                           ${column(({ fingerprint }) => fingerprint)}::text::text[], ${namespaces}::text::text[],
                           ${memoryIds}::text::text[], ${column(({ version }) => version)}::text::bigint[],
                           ${column(({ writes }) => writes)}::text::boolean[], ${column(({ holder }) => holder)}::text::text[])
        with ordinality as a (device, key, fingerprint, namespace, memory_id, version, writes, holder, position)
    ), claimed as (
      insert into mnemosync.hub_claims (device, key, fingerprint, namespace, memory_id, version)
      select device, key, fingerprint, namespace, memory_id, version from applied order by position
      on conflict do nothing
      returning 1
    ), written as (
      insert into mnemosync.hub_memories as h (namespace, memory_id, version, device, key, holder)
      select namespace, memory_id, version, device, key, holder from applied where writes
      order by namespace collate "C", memory_id collate "C"
      on conflict (namespace, memory_id) do update
        set version = excluded.version, device = excluded.device, key = excluded.key, holder = excluded.holder
    )
    select count(*)::int as claimed from claimed`;
  return row?.claimed === ordered.length;
}

/** The device that wrote a memory last. */
export interface Writer extends MemoryKey {
  /** The version that it wrote: of no account once the memory is at another one. */
  readonly version: number;
  readonly device: string;
  readonly key: string;
  readonly holder: string | null;
}

/** The last writers of memories, of those that a device wrote. */
export async function readWriters(sql: Sql, keys: readonly MemoryKey[]): Promise<Writer[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  return await sql<Writer[]>`
    select h.namespace, h.memory_id as "memoryId", h.version::float8 as version, h.device, h.key, h.holder
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    join mnemosync.hub_memories h using (namespace, memory_id)`;
}

/** A memory as it stands in the ledger, whatever its privacy. Times are milliseconds since 1970. */
export interface CurrentMemory extends MemoryKey {
  readonly version: number;
  /** Null: it has ended. */
  readonly checksum: string | null;
  readonly endedBy: Ending | null;
  readonly modifiedAt: number;
  /** JSON text. */
  readonly versionVector: string;
  readonly document: string | null;
  readonly embedding: Buffer | null;
  readonly device: string | null;
  readonly key: string | null;
  readonly holder: string | null;
}

/** Memories with their last writers, ended ones too; those that the ledger does not know are absent. */
export async function readCurrentMemories(sql: Sql, keys: readonly MemoryKey[]): Promise<CurrentMemory[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  return await sql<CurrentMemory[]>`
    select v.namespace, v.memory_id as "memoryId", v.version::float8 as version, v.checksum, ${endingOf(sql)} as "endedBy",
           floor(extract(epoch from v.modified_at) * 1000)::float8 as "modifiedAt", v.version_vector::text as "versionVector",
           m.document::text as document, m.embedding, h.device, h.key, h.holder
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    join mnemosync.memory_versions v using (namespace, memory_id)
    left join lateral ${wideRow(sql)} m on v.checksum is not null
    left join mnemosync.hub_memories h
      on h.namespace = v.namespace and h.memory_id = v.memory_id and h.version = v.version`;
}
