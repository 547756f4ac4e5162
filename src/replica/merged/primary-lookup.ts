import type { Ending } from "../../domain/ending.ts";
import type { PostgresAccess, Sql } from "../../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "../../ledger/arrays.ts";
import { endingOf } from "../../ledger/body-rows.ts";
import { LedgerCalls } from "../../ledger/bound-statements.ts";
import type { PrimaryFacts, PrimaryLookup, PrimaryRow } from "./sides.ts";

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
  readonly is_refused: boolean | null;
}

/**
 * The rows of memories, tombstones included, with the epoch and the place of the newest pruned tombstone: one statement, so that
 * all of them are of one moment.
 */
export async function lookUpMemories(sql: Sql, namespace: string, memoryIds: readonly string[]): Promise<PrimaryFacts> {
  const rows = await sql<LookupRow[]>`
    select f.epoch, f.xid, f.seq, k.memory_id, v.version, v.ended_by, v.is_expired, r.is_refused
    from (
      select (select value from mnemosync.sync_meta where name = 'store_epoch') as epoch, p.xid::text as xid, p.seq::text as seq
      from (values (1)) one left join mnemosync.tombstones_pruned p on true
    ) f
    left join unnest(${arrayLiteral(memoryIds)}::text::text[]) as k (memory_id) on true
    left join lateral (
      select v.version::float8 as version, ${endingOf(sql)} as ended_by,
             v.checksum is not null and coalesce(v.expires_at <= clock_timestamp(), false) as is_expired
      from mnemosync.memory_versions v where v.namespace = ${namespace}::text and v.memory_id = k.memory_id offset 0
    ) v on true
    left join lateral (
      select true as is_refused from mnemosync.replica_dead_letters d
      where d.namespace = ${namespace}::text and d.memory_id = k.memory_id limit 1
    ) r on true`;
  const found = new Map<string, PrimaryRow>();
  const refused = new Set<string>();
  for (const { memory_id: memoryId, version, ended_by: endedBy, is_expired: isExpired, is_refused } of rows) {
    if (memoryId === null) continue;
    if (version !== null) found.set(memoryId, { version, endedBy, isExpired: isExpired === true });
    if (is_refused === true) refused.add(memoryId);
  }
  const [{ epoch, xid, seq } = { epoch: "", xid: null, seq: null }] = rows;
  const tombstonesPruned = xid === null || seq === null ? null : { xid, seq };
  return { epoch, tombstonesPruned, rows: found, refused };
}

/** Asks the primary about memories that only the replica showed. */
export class PostgresPrimaryLookup implements PrimaryLookup {
  readonly #calls: LedgerCalls;

  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    this.#calls = new LedgerCalls(postgres, callTimeoutMs);
  }

  async lookUp(namespace: string, memoryIds: readonly string[], signal: AbortSignal): Promise<PrimaryFacts> {
    return await this.#calls.use(signal, ({ sql }) => lookUpMemories(sql, namespace, memoryIds));
  }
}
