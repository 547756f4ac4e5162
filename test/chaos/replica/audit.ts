import type postgres from "postgres";

/** A version that stood in the replica, and was taken back within an epoch. */
export interface TakenBack {
  /** `row`: the memory's own; `body`: a version of its history. */
  readonly place: "row" | "body";
  readonly memory_id: string;
  readonly was: string;
  /** Null: it is gone. */
  readonly became: string | null;
}

/** Rows of the audit that are read at a look. */
const READ_MAX = 100;

/**
 * Has the replica's database note each row that moves to an older version, and each row and version that goes: between two looks of
 * `watch.ts` it may be where it belongs again. Of a replica that is put back, the notes go back with it.
 *
 * What is right is not noted: while rows are compared, one goes to where the primary has it, and what stood above goes with that; a
 * memory that was refused is mended by its letter, whenever that is.
 */
export async function installAudit(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create schema chaos;
    create table chaos.taken_back (
      id bigint generated always as identity, place text, memory_id text, was bigint, became bigint);
    create function chaos.note_taken_back() returns trigger language plpgsql as $$
    begin
      if exists (select from mnemosync.replica_dead_letters d where d.memory_id = old.memory_id) then
        return null;
      end if;
      if (select epoch is null from mnemosync.replica_cursor) and (tg_op = 'DELETE' or not exists (
           select from mnemosync.memory_bodies b
           where b.namespace = old.namespace and b.memory_id = old.memory_id and b.version = old.version and b.tx_id = old.tx_id))
      then
        return null;
      end if;
      insert into chaos.taken_back (place, memory_id, was, became)
      values (tg_argv[0], old.memory_id, old.version, case when tg_op = 'UPDATE' then new.version end);
      return null;
    end $$;
    -- Told once the statement is through: it sees all of what that did.
    create trigger chaos_row_back after update on mnemosync.memory_versions for each row
      when (new.version < old.version) execute function chaos.note_taken_back('row');
    create trigger chaos_row_gone after delete on mnemosync.memory_versions for each row
      execute function chaos.note_taken_back('row');
    create trigger chaos_body_gone after delete on mnemosync.memory_bodies for each row
      execute function chaos.note_taken_back('body');`);
}

export async function readTakenBack(sql: postgres.Sql): Promise<TakenBack[]> {
  return await sql<TakenBack[]>`
    select place, memory_id, was::text, became::text from chaos.taken_back order by id limit ${READ_MAX}`;
}
