import type { Ending } from "../domain/ending.ts";
import { compareUtf8, type MemoryKey } from "../domain/keys.ts";
import type { Privacy } from "../domain/memory.ts";
import { type Flight, type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { StatementAnswer } from "../drivers/postgres/flight-answers.ts";
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
 * The facts of pushed changes, in order. Call it with the memories' rows locked, or in one flight behind the statement that
 * locks them.
 *
 * The claims are read before the devices' floors, and nothing keeps a device from settling meanwhile: it moves its floor and deletes
 * the claims up to it in one transaction, so a claim that is not seen here any more shows in the floor that is read behind it. A key
 * can be claimed and settled between the two only by a repeat of the change, which waits for the memory's row; where there is none
 * yet, both insert it, and one of them is raced. Only a revocation waits for the transactions that have seen the device.
 */
export async function readPushedFacts(sql: Sql, changes: readonly PushedChange[]): Promise<PushedFacts[]> {
  const names = [...new Set(changes.map(({ device }) => device))].sort();
  const [namespaces, memoryIds] = keyLiterals(changes);
  // Sent together: the server executes them one after the other, each with a snapshot of its own.
  const [rows, devices] = await Promise.all([
    sql<
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
      order by k.position`,
    sql<{ device: string; settled_through: string | null; is_revoked: boolean }[]>`
      select device, settled_through, revoked_at is not null as is_revoked from mnemosync.hub_devices
      where device = any (${arrayLiteral(names)}::text::text[])
      order by device
      for key share`,
  ]);
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

/** Claims the keys of a table called applied, and notes who wrote the memories. */
const KEEP = `
  claimed as (
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
  select count(*)::int4 as claimed from claimed`;
const APPLIED_COLUMNS = "device, key, fingerprint, namespace, memory_id, version, writes, holder, position";

/**
 * Claims the keys of changes, in the transaction that applies them, and notes who wrote the memories.
 * @returns false where another transaction took one of the keys since: this one must be rolled back.
 */
export async function keepAppliedChanges(sql: Sql, changes: readonly AppliedChange[]): Promise<boolean> {
  const ordered = inClaimOrder(changes);
  const column = (pick: (change: AppliedChange) => string | number | boolean | null) => arrayLiteral(ordered.map(pick));
  const [namespaces, memoryIds] = keyLiterals(ordered);
  const [row] = await sql<{ claimed: number }[]>`
    with applied as materialized (
      select * from unnest(${column(({ device }) => device)}::text::text[], ${column(({ key }) => key)}::text::text[],
                           ${column(({ fingerprint }) => fingerprint)}::text::text[], ${namespaces}::text::text[],
                           ${memoryIds}::text::text[], ${column(({ version }) => version)}::text::bigint[],
                           ${column(({ writes }) => writes)}::text::boolean[], ${column(({ holder }) => holder)}::text::text[])
        with ordinality as a (${sql.unsafe(APPLIED_COLUMNS)})
    ), ${sql.unsafe(KEEP)}`;
  return row?.claimed === ordered.length;
}

/** `keepAppliedChanges` as a statement of a flight. */
const KEEP_APPLIED: FlightStatement = {
  name: "keep_applied",
  text: `with applied as materialized (
    select * from unnest($1, $2, $3, $4, $5, $6, $7, $8) with ordinality as a (${APPLIED_COLUMNS})
  ), ${KEEP}`,
  types: [
    ...[OID.textArray, OID.textArray, OID.textArray, OID.textArray, OID.textArray, OID.int8Array, OID.booleanArray],
    OID.textArray,
  ],
};

/** What a flight sends beside its writes: the statements to be prepared, and bytes of their parameters, about. */
export function claimsOf(changes: readonly AppliedChange[]): { statements: readonly FlightStatement[]; bytes: number } {
  return changes.length === 0
    ? { statements: [], bytes: 0 }
    : { statements: [KEEP_APPLIED], bytes: changes.length * 300 };
}

/** Adds `keepAppliedChanges` to a flight, as its last statement; nothing where there is nothing to claim. */
export function addClaims(flight: Flight, changes: readonly AppliedChange[]): void {
  if (changes.length === 0) return;
  const ordered = inClaimOrder(changes);
  flight.execute(KEEP_APPLIED, (values) => {
    values.array(OID.text, ordered, ({ device }) => values.text(device));
    values.array(OID.text, ordered, ({ key }) => values.text(key));
    values.array(OID.text, ordered, ({ fingerprint }) => values.text(fingerprint));
    values.array(OID.text, ordered, ({ namespace }) => values.text(namespace));
    values.array(OID.text, ordered, ({ memoryId }) => values.text(memoryId));
    values.array(OID.int8, ordered, ({ version }) => values.int64(version));
    values.array(OID.boolean, ordered, ({ writes }) => values.boolean(writes));
    values.array(OID.text, ordered, ({ holder }) => values.text(holder));
  });
}

/** Whether all claims of a flight hold, by its answers. */
export function holdClaims(answers: readonly StatementAnswer[], changes: readonly AppliedChange[]): boolean {
  return changes.length === 0 || answers.at(-1)?.rows[0]?.[0]?.readInt32BE() === changes.length;
}

/** In one order, so that two repeats cannot wait for each other. */
export function inClaimOrder(changes: readonly AppliedChange[]): AppliedChange[] {
  return changes.toSorted((a, b) => compareUtf8(a.device, b.device) || compareUtf8(a.key, b.key));
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
