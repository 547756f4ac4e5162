import { compareKeys, keyText } from "../domain/keys.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { claimKey, type KeyClaim } from "./idempotency-statements.ts";
import { beginWithOne } from "./single-flights.ts";
import type { GuardedAnswer, GuessedWrite } from "./version-write.ts";
import { inputRows } from "./write-columns.ts";
import {
  type Begun,
  type BucketedKey,
  insertBodies,
  insertVersions,
  isRowInTheWay,
  lockRows,
  orReplaceVersion,
  type TransactionToken,
} from "./write-statements.ts";

/** A transaction that has begun, and has written what was guessed right. */
export interface Flown extends Begun {
  /** Key texts of the guesses that held: these are written. The rows of all others are in `locked`. */
  readonly hits: ReadonlySet<string>;
  /** The time of modification of those that are written, in milliseconds since 1970. */
  readonly writtenAt: number;
  /** Whether a memory that was taken for new is in another transaction's hands: this one must be rolled back. */
  readonly raced: boolean;
}

const NO_FLOORS: ReadonlyMap<number, number> = new Map();

/**
 * Begins a transaction and writes what was guessed right, in one flight: BEGIN, the claim of a key, the locks of existing
 * rows in key order, and one guarded statement. Memories whose guess did not hold and which were not locked by then are
 * locked and read in one more round trip.
 *
 * No statement waits for a lock in another order than that of the keys: rows that exist are locked first, by all writers
 * alike, and new ones are inserted after that, in order too. A memory that appeared in between is locked without waiting:
 * where another transaction has it, this one starts anew (`raced`), rather than wait with its locks held. A transaction of
 * one memory locks by its guarded statement alone: it holds nothing else while it waits.
 * @param flights of the same connection, where it has them.
 */
export async function beginGuarded(
  { sql, flights }: { readonly sql: Sql; readonly flights?: FlightChannel | undefined },
  guesses: readonly GuessedWrite[],
  keys: readonly BucketedKey[],
  token: TransactionToken,
  claiming?: { readonly claim: KeyClaim; readonly transactionId: string },
): Promise<Flown> {
  const [guess] = guesses;
  const isAlone = guess !== undefined && keys.length === 1 && claiming === undefined && flights !== undefined;
  const [written, locks, namespacesClaimed] = isAlone
    ? ([await beginWithOne(flights, guess, token), null, undefined] as const)
    : await beginWithMany(sql, guesses, keys, token, claiming);
  const isKeyTaken = claiming !== undefined && namespacesClaimed !== claiming.claim.namespaces.length;
  const locked = new Map(locks?.locked);
  const floors = locks?.floors ?? NO_FLOORS;
  if (written === null) return { locked, floors, now: 0, isKeyTaken, hits: new Set(), writtenAt: 0, raced: true };
  const { hits, writtenAt } = written;
  const now = writtenAt;
  const unseen = keys.filter((key) => !hits.has(keyText(key)) && !locked.has(keyText(key)));
  if (isKeyTaken || unseen.length === 0) return { locked, floors, now, isKeyTaken, hits, writtenAt, raced: false };
  const late = await lockRows(sql, unseen, { waits: keys.length === 1 });
  for (const [text, row] of late.locked) locked.set(text, row);
  // A new memory starts above the floor of its bucket. Without one, something else was in the way.
  const guessedNew = new Map(guesses.map(({ write, knownTx }) => [keyText(write), knownTx === null ? write : null]));
  const raced = unseen.some((key) => {
    const write = guessedNew.get(keyText(key));
    return write != null && !locked.has(keyText(key)) && (late.floors.get(write.bucket) ?? 0) < write.version;
  });
  return { locked, floors: late.floors, now: late.now, isKeyTaken, hits, writtenAt, raced };
}

/** BEGIN, the claim of a key, the locks and the guesses, by the driver. */
async function beginWithMany(
  sql: Sql,
  guesses: readonly GuessedWrite[],
  keys: readonly BucketedKey[],
  token: TransactionToken,
  claiming?: { readonly claim: KeyClaim; readonly transactionId: string },
) {
  // `execute`, since the driver sends a query only when it is awaited.
  const begun = sql`begin isolation level read committed`.execute();
  const claimed = claiming && claimKey(sql, claiming.claim, claiming.transactionId);
  const ordered = guesses.toSorted((a, b) => compareKeys(a.write, b.write));
  const [, namespacesClaimed, locks, written] = await Promise.all([
    begun,
    claimed,
    keys.length > 1 ? lockRows(sql, keys) : null,
    writeGuarded(sql, ordered, token),
  ]);
  return [written, locks, namespacesClaimed] as const;
}

/**
 * Writes those of `guesses` (in key order) that hold: the row is the known one, and moved; or there is none, and the version
 * lies above the floor of its bucket. All of them get the clock's time, and the transaction's row names them; it is left out
 * where none holds. @returns null: a row or a body appeared that is in the way.
 */
async function writeGuarded(
  sql: Sql,
  guesses: readonly GuessedWrite[],
  token: TransactionToken,
): Promise<GuardedAnswer | null> {
  const writes = guesses.map(({ write }) => write);
  const statement = sql<{ now: number; namespace: string; memory_id: string | null }[]>`
    with given as materialized (${inputRows(sql, writes)}),
    clock as materialized (select date_trunc('milliseconds', clock_timestamp()) as now),
    input as materialized (
      select g.namespace, g.memory_id, g.version, g.bucket, g.vector, g.checksum, g.digest, g.document, g.embedding,
             g.expires_at, g.has_embedding, g.ended_by, g.position, c.now as modified_at
      from clock c, given g
      left join lateral (
        select v.tx_id, v.xid from mnemosync.memory_versions v
        where v.namespace = g.namespace and v.memory_id = g.memory_id offset 0
      ) v on true
      where v.tx_id is not distinct from (${arrayLiteral(guesses.map(({ knownTx }) => knownTx))}::text::text[])[g.position]
        and v.xid is null
        and (v.tx_id is not null or not exists (
          select from mnemosync.version_floors f where f.bucket = g.bucket and f.floor >= g.version))
      order by g.position
    ),
    versions as (
      ${insertVersions(sql, token)}
      ${orReplaceVersion(sql)}
      returning v.namespace, v.memory_id
    ), bodies as (
      ${insertBodies(sql, token)} join versions w using (namespace, memory_id)
    ), token as (
      insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions)
      select ${token.transactionId}, 'committed', ${token.nodeId}, array_agg(i.namespace order by i.position),
             array_agg(i.memory_id order by i.position), array_agg(i.version order by i.position)
      from input i join versions w using (namespace, memory_id)
      having count(*) > 0
    )
    select extract(epoch from c.now)::float8 * 1000 as now, w.namespace, w.memory_id
    from clock c left join versions w on true`;
  try {
    const rows = await statement;
    const hits = new Set<string>();
    for (const { namespace, memory_id: memoryId } of rows) {
      if (memoryId !== null) hits.add(keyText({ namespace, memoryId }));
    }
    return { hits, writtenAt: Math.round(rows[0]?.now ?? 0) };
  } catch (error) {
    if (isRowInTheWay(error)) return null;
    throw error;
  }
}
