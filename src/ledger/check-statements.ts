import { compareKeys, keyText, type MemoryKey } from "../domain/keys.ts";
import type { StoreId, StoreIdentity } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { pause } from "../runtime/deadline.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import { keyLiterals } from "./arrays.ts";
import { moveBodies } from "./moved-bodies.ts";
import {
  bucketExpression,
  currentRows,
  digestExpression,
  type LedgerVersion,
  type LedgerVersionRow,
  ledgerVersion,
  versionColumns,
} from "./read-statements.ts";
import { isOlderThan } from "./stored-times.ts";

/** Parts of a version that are on their way and not overdue. */
export interface Underway {
  /** Its transaction is committed and not confirmed as published: no store need have it yet. */
  readonly unpublished: boolean;
  /** Another node wrote it: a store of this node alone gets it through the feed. */
  readonly followed: boolean;
  /** Stores for which it is queued. */
  readonly queuedFor: readonly StoreId[];
}

/** Whether a store need not have the version yet. */
export function isUnderway(underway: Underway, store: StoreIdentity): boolean {
  if (underway.unpublished || underway.queuedFor.includes(store.id)) return true;
  return store.scope === "node" && underway.followed;
}

/** A memory's row, locked against writers, with the parts that are still on their way. */
export interface ConfirmedVersion extends LedgerVersion {
  readonly underway: Underway;
}

/** Milliseconds that a confirmation waits for marks, with rows locked: some times as long as marks are gathered for. */
const MARK_WAIT_MS = 150;
/** Milliseconds between two looks. */
const MARK_LOOK_MS = 10;

/** The result of `lockForConfirm`. */
export interface LockedForConfirm {
  readonly rows: Map<string, ConfirmedVersion>;
  /** Keys whose row is being written right now: any state of a store is on its way. */
  readonly busy: Set<string>;
}

/**
 * Locks the rows of suspects, without waiting, so that no writer can change them during the comparison.
 * @param overdueMs how long a transaction may take to be published and a queue row to be settled, in milliseconds.
 */
export async function lockForConfirm(
  sql: Sql,
  keys: readonly MemoryKey[],
  nodeId: string,
  overdueMs: number,
): Promise<LockedForConfirm> {
  const locked = await lockWithoutWaiting(sql, keys);
  const found = await readMarked(sql, locked, nodeId, overdueMs);
  const busy = new Set<string>();
  const missing = keys.filter((key) => !found.has(keyText(key)));
  if (missing.length > 0) {
    const held = await sql<{ namespace: string; memory_id: string }[]>`
      select v.namespace, v.memory_id from ${currentRows(sql, missing)}`;
    for (const row of held) busy.add(keyText({ namespace: row.namespace, memoryId: row.memory_id }));
  }
  return { rows: found, busy };
}

/**
 * Reads locked rows, and waits a moment for the marks of their transactions. A memory that is written all the time is on
 * its way at every look; while its row is locked nothing new is written, and the last mark follows within milliseconds.
 */
async function readMarked(
  sql: Sql,
  locked: readonly MemoryKey[],
  nodeId: string,
  overdueMs: number,
): Promise<Map<string, ConfirmedVersion>> {
  const until = performance.now() + MARK_WAIT_MS;
  for (;;) {
    const found = await readLocked(sql, locked, nodeId, overdueMs);
    const isMarked = ![...found.values()].some(({ underway }) => underway.unpublished);
    if (isMarked || performance.now() >= until) return found;
    await pause(MARK_LOOK_MS, NEVER);
  }
}

async function readLocked(
  sql: Sql,
  locked: readonly MemoryKey[],
  nodeId: string,
  overdueMs: number,
): Promise<Map<string, ConfirmedVersion>> {
  // A statement of its own: the one that locked may have waited out a commit that its snapshot does not show.
  const rows = await sql<(LedgerVersionRow & UnderwayRow)[]>`
    select ${versionColumns(sql)},
           coalesce(t.unpublished, false) as unpublished, coalesce(t.followed, false) as followed,
           coalesce(q.stores, '{}') as queued_for
    from ${currentRows(sql, locked)}
    left join lateral (
      select state = 'committed' as unpublished, node_id <> ${nodeId} as followed
      from mnemosync.sync_transactions
      where tx_id = v.tx_id and not ${isOlderThan(sql, sql`created_at`, overdueMs)}
    ) t on true
    left join lateral (
      select array_agg(store) as stores
      from mnemosync.sync_queue
      where namespace = v.namespace and memory_id = v.memory_id and node_id in ('', ${nodeId}) and dead_at is null
        and not ${isOlderThan(sql, sql`enqueued_at`, overdueMs)}
    ) q on true`;
  return new Map(
    rows.map((row) => [
      keyText({ namespace: row.namespace, memoryId: row.memory_id }),
      { ...ledgerVersion(row), underway: underwayOf(row) },
    ]),
  );
}

interface UnderwayRow {
  readonly unpublished: boolean;
  readonly followed: boolean;
  readonly queued_for: string[];
}

function underwayOf({ unpublished, followed, queued_for: queuedFor }: UnderwayRow): Underway {
  return { unpublished, followed, queuedFor };
}

async function lockWithoutWaiting(sql: Sql, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
  // Looked up and locked one by one in the order in which they are given, that of every writer. Shared: it keeps writers off,
  // and two checks at once do not take each other for writers, which would hide drift from both.
  const [namespaces, memoryIds] = keyLiterals(keys.toSorted(compareKeys));
  const rows = await sql<{ namespace: string; memory_id: string }[]>`
    select v.namespace, v.memory_id
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select namespace, memory_id from mnemosync.memory_versions
      where namespace = k.namespace and memory_id = k.memory_id
      for share skip locked
    ) v`;
  return rows.map((row) => ({ namespace: row.namespace, memoryId: row.memory_id }));
}

/**
 * Puts a document and vector back that were proven to fit the recorded checksum of a version. A body that is missing is made
 * anew, at a new place in the feed.
 * @returns whether it still was that version.
 */
export async function restoreDocument(
  sql: Sql,
  key: MemoryKey,
  version: number,
  documentJson: string,
  embedding: Buffer | null,
): Promise<boolean> {
  return await withMovedBodies(sql, key, async () => {
    const rows = await sql`
      insert into mnemosync.memory_bodies as b
        (namespace, memory_id, version, checksum, version_vector, modified_at, expires_at, tx_id, document, embedding)
      select v.namespace, v.memory_id, v.version, v.checksum, v.version_vector, v.modified_at, v.expires_at, v.tx_id,
             ${documentJson}::text::json, ${embedding}
      from mnemosync.memory_versions v
      where v.namespace = ${key.namespace} and v.memory_id = ${key.memoryId} and v.version = ${version}
        and v.deleted_at is null
      on conflict (namespace, memory_id, version)
        do update set checksum = excluded.checksum, ended_by = null, document = excluded.document, embedding = excluded.embedding
      returning 1`;
    return rows.length === 1;
  });
}

/** Removes a document that belongs to a tombstone, which must have none. */
export async function removeStrayDocument(sql: Sql, key: MemoryKey): Promise<boolean> {
  return await withMovedBodies(sql, key, async () => {
    const rows = await sql`
      update mnemosync.memory_bodies b set document = null, embedding = null
      from mnemosync.memory_versions v
      where v.namespace = ${key.namespace} and v.memory_id = ${key.memoryId} and v.deleted_at is not null
        and b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version
        and (b.document is not null or b.embedding is not null)
      returning 1`;
    return rows.length === 1;
  });
}

/** Runs a repair of a memory's body in a transaction that has locked its row and moved its bodies, if they were not. */
async function withMovedBodies(sql: Sql, key: MemoryKey, repair: () => Promise<boolean>): Promise<boolean> {
  await sql`begin`;
  await sql`
    select from mnemosync.memory_versions
    where namespace = ${key.namespace} and memory_id = ${key.memoryId}
    for update`;
  await moveBodies(sql, [key]);
  const repaired = await repair();
  await sql`commit`;
  return repaired;
}

/** Recomputes the columns that derive from key, version and checksum. @returns whether the row still was at that version. */
export async function restoreDigest(sql: Sql, key: MemoryKey, version: number): Promise<boolean> {
  const rows = await sql`
    update mnemosync.memory_versions v set bucket = ${bucketExpression(sql)}, digest = ${digestExpression(sql)}
    where v.namespace = ${key.namespace} and v.memory_id = ${key.memoryId} and v.version = ${version}
    returning 1`;
  return rows.length === 1;
}

/** Puts a recorded checksum back that its own digest proves. @returns whether it still was that version. */
export async function restoreChecksum(sql: Sql, key: MemoryKey, version: number, checksum: string): Promise<boolean> {
  const rows = await sql`
    update mnemosync.memory_versions set checksum = ${checksum}
    where namespace = ${key.namespace} and memory_id = ${key.memoryId} and version = ${version} and checksum is not null
    returning 1`;
  return rows.length === 1;
}
