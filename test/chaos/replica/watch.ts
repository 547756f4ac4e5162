import type postgres from "postgres";
import { pause } from "../../../src/dev/wait.ts";
import { readTakenBack } from "./audit.ts";
import { goneBack, takenBackFindings } from "./comparison.ts";
import { LookConnection } from "./look-connection.ts";
import { isAway } from "./twins.ts";
import { SECRET } from "./writers.ts";

/** Milliseconds between two looks at the rows. */
const LOOK_MS = 300;
/** Looks at the rows between two looks at all contents. */
const CONTENTS_EVERY = 15;

interface Look {
  readonly beganAt: string;
  readonly epoch: string | null;
  readonly versions: ReadonlyMap<string, number>;
}

/**
 * Looks into the replica all the time, past the program: no version goes back within an epoch, not even between two looks, and nothing
 * is there that may not leave the primary, or that a later version withholds.
 */
export class Watch {
  looks = 0;
  readonly #replica: LookConnection;
  readonly #complain: (text: string) => void;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #last: Look | null = null;
  #pasts = 0;

  constructor(url: string, complain: (text: string) => void) {
    this.#replica = new LookConnection(url);
    this.#complain = complain;
    this.#running = this.#run();
  }

  /** Questions that were asked again, since they had no answer. */
  get repeated(): number {
    return this.#replica.repeated;
  }

  /** The replica is put back from now on: what was seen before proves nothing, nor does a look that is under way. */
  forget(): void {
    this.#pasts++;
    this.#last = null;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopping.signal.aborted) {
        const pasts = this.#pasts;
        const look = await this.#unlessAway(lookInto);
        if (look !== null && pasts === this.#pasts) this.#compare(look);
        await this.#unlessAway((sql) => this.#audit(sql));
        if (look !== null && this.looks % CONTENTS_EVERY === 0) {
          await this.#unlessAway((sql) => this.#contents(sql));
          await this.#unlessAway((sql) => this.#withheld(sql));
        }
        await pause(LOOK_MS);
      }
    } finally {
      await this.#replica.close();
    }
  }

  /** Null: the replica is away; or it refused, and that was told. */
  async #unlessAway<T>(look: (sql: postgres.Sql) => Promise<T>): Promise<T | null> {
    try {
      return await this.#replica.ask(look);
    } catch (error) {
      if (!isAway(error)) this.#complain(`replica: a look into it failed: ${(error as Error).message}`);
      return null;
    }
  }

  #compare(look: Look): void {
    const before = this.#last;
    this.#last = look;
    this.looks++;
    // While it is compared with another epoch, rows go to the versions that the primary has.
    if (before === null || look.epoch === null || before.epoch !== look.epoch || before.beganAt !== look.beganAt)
      return;
    for (const finding of goneBack(before.versions, look.versions)) this.#complain(finding);
  }

  async #audit(sql: postgres.Sql): Promise<void> {
    for (const finding of takenBackFindings(await readTakenBack(sql))) this.#complain(finding);
  }

  async #withheld(sql: postgres.Sql): Promise<void> {
    for (const { memory_id, version, by } of await readWithheld(sql))
      this.#complain(`replica: its content is in the replica, and is withheld: ${memory_id} at ${version}, by ${by}`);
  }

  async #contents(sql: postgres.Sql): Promise<void> {
    const rows = await sql<{ place: string; memory_id: string; version: string }[]>`
      select 'memory_bodies' as place, memory_id, version::text from mnemosync.memory_bodies
      where document::text like ${`%${SECRET}%`} or document ->> 'privacy' = 'local_only'
      union all
      select 'diverged', memory_id, version::text from mnemosync.diverged
      where document::text like ${`%${SECRET}%`} or document ->> 'privacy' = 'local_only'`;
    for (const { place, memory_id, version } of rows)
      this.#complain(`replica: ${place} holds what may not leave the primary: ${memory_id} at ${version}`);
  }
}

async function lookInto(sql: postgres.Sql): Promise<Look | null> {
  const [row] = await sql<{ began_at: string; epoch: string | null; rows: Record<string, number> | null }[]>`
    select c.began_at::text, c.epoch,
           (select json_object_agg(v.memory_id, v.version) from mnemosync.memory_versions v) as rows
    from mnemosync.replica_cursor c`;
  if (row === undefined) return null;
  return { beganAt: row.began_at, epoch: row.epoch, versions: new Map(Object.entries(row.rows ?? {})) };
}

/**
 * Content that stands below a version which withholds it: the one goes with the other's coming. A version without content may have been
 * withheld itself, so of others than full ones nothing can be told. Of a memory that was refused a letter tells.
 */
export async function readWithheld(sql: postgres.Sql): Promise<{ memory_id: string; version: string; by: string }[]> {
  return await sql<{ memory_id: string; version: string; by: string }[]>`
    select b.memory_id, b.version::text, t.version::text as by
    from (
      select namespace, memory_id, max(version) as version from mnemosync.memory_bodies
      where ended_by in ('withdrawn', 'erased') or document ->> 'privacy' = 'redacted'
      group by namespace, memory_id
    ) t join mnemosync.memory_bodies b using (namespace, memory_id)
    where b.version < t.version and b.document ->> 'privacy' = 'full'
      -- While it is filled or compared, versions of a history that is gone may stand above.
      and exists (select from mnemosync.replica_cursor where epoch is not null)
      and not exists (select from mnemosync.replica_dead_letters d where d.memory_id = b.memory_id)
    order by b.memory_id, b.version
    limit 10`;
}
