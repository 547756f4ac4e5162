import { randomUUID } from "node:crypto";
import { ConfigurationError } from "../domain/errors.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { migrate } from "../ledger/migrate.ts";
import { PRUNED_THROUGH } from "../ledger/past-statements.ts";
import { REPLICA_OF } from "../ledger/replica-marker.ts";
import { newUlid } from "../runtime/ulid.ts";
import { readReplicaCursor } from "./cursor-statements.ts";
import { phaseOf } from "./reporter.ts";

/** What a promotion came to. */
export interface Promotion {
  /** The ledger whose replica it was. */
  readonly formerLedger: string;
  /** Names the new ledger. */
  readonly ledger: string;
  /** The epoch that begins with it: edges and indexes of the former primary read everything anew. */
  readonly epoch: string;
  /** Live memories. */
  readonly memories: number;
  /** Versions in table `diverged`, which stay there. */
  readonly diverged: number;
}

/**
 * Makes a replica a ledger of its own: removes its marker and its place, and begins an epoch. What the primary had not yet sent is
 * missing, and so is what privacy withheld. The former primary must not be written to any more, and cannot use this database
 * as its replica again.
 * @param options.force also a replica that was never filled, or is being compared. @default false
 * @throws {ConfigurationError} The database is no replica, or an incomplete one.
 */
export async function promoteReplica(
  postgres: PostgresAccess,
  { force = false }: { readonly force?: boolean },
  signal: AbortSignal,
): Promise<Promotion> {
  await migrate(postgres, signal);
  return await postgres.use(signal, async ({ sql }) => {
    await sql`begin`;
    try {
      const promotion = await promote(sql, force);
      await sql`commit`;
      return promotion;
    } catch (error) {
      await sql`rollback`;
      throw error;
    }
  });
}

/**
 * Marks all transactions up to now as pruned: their rows stayed in the former primary. Without the mark, a replica of the new
 * ledger would take each of them for a lost one, and begin an epoch in every pass.
 */
async function notePast(sql: Sql, seen: string | null): Promise<void> {
  // A new id is usually the latest of all. A node of the former primary may have made later ones, with a clock that was ahead.
  await sql`
    insert into mnemosync.sync_meta as m (name, value)
    select ${PRUNED_THROUGH}, greatest(${newUlid()}::text collate "C", ${seen}::text collate "C", max(tx_id))
    from mnemosync.memory_versions
    on conflict (name) do update set value = greatest(m.value collate "C", excluded.value collate "C")`;
}

async function promote(sql: Sql, force: boolean): Promise<Promotion> {
  // Writers hold the row's key: those under way end first, and later ones find no place.
  await sql`select from mnemosync.replica_cursor for update`;
  const state = await readReplicaCursor(sql);
  const [marker] = await sql<{ value: string }[]>`
    delete from mnemosync.sync_meta where name = ${REPLICA_OF} returning value`;
  if (marker === undefined || state === null) {
    throw new ConfigurationError("this database is no replica: there is nothing to promote");
  }
  const phase = phaseOf(state);
  if (phase !== "following" && !force) {
    const what = phase === "filling" ? "was never filled" : "is being compared with its primary";
    throw new ConfigurationError(
      `the replica ${what}: what it has may be incomplete or out of date. --force promotes it as it is`,
    );
  }
  await sql`delete from mnemosync.replica_cursor`;
  // Letters are those of a ledger's own replica. What this one refused of its primary stays missing.
  await sql`delete from mnemosync.replica_dead_letters`;
  const epoch = randomUUID();
  await sql`update mnemosync.sync_meta set value = ${epoch} where name = 'store_epoch'`;
  await sql`insert into mnemosync.epochs (epoch, reason) values (${epoch}, 'promoted')`;
  await notePast(sql, state.seen);
  // The marks of a ledger are its own: there is none yet that anything could have seen.
  const [facts] = await sql<{ ledger: string; memories: number; diverged: number }[]>`
    select (select value from mnemosync.sync_meta where name = 'ledger_id') as ledger,
           (select count(*)::float8 from mnemosync.memory_versions where deleted_at is null) as memories,
           (select count(*)::float8 from mnemosync.diverged) as diverged`;
  const { ledger, memories, diverged } = facts!;
  return { formerLedger: marker.value, ledger, epoch, memories, diverged };
}
