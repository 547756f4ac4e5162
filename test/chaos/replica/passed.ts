import type postgres from "postgres";
import { pause } from "../../../src/dev/wait.ts";
import { LookConnection } from "./look-connection.ts";
import { isAway } from "./twins.ts";

/** Milliseconds between two looks. */
const LOOK_MS = 700;

/** Where the replica stands in the primary's feed. */
export interface Place {
  readonly epoch: string;
  /** Another one: it has begun at the start again. */
  readonly began_at: string;
  readonly xid: string;
  readonly seq: string;
  /** The last transaction that it was told of. */
  readonly seen_tx: string | null;
}

/** A version of the primary's feed. */
export interface PassedVersion {
  readonly memory_id: string;
  readonly version: string;
  readonly tx_id: string;
  /** Whether the replica must have it, though it had nothing of the memory before: neither an ending, nor withheld in full. */
  readonly is_put: boolean;
}

export interface Lacking extends PassedVersion {
  /** The version that the replica's row is at; null: there is none. */
  readonly row_version: string | null;
  /** Whether the replica itself says that it lacks the memory. */
  readonly is_refused: boolean;
}

/**
 * Compares what the replica's place has passed with what the replica has, all the time: a place that is ahead of the data has lost a
 * write, whatever brings it back later. A hot memory is written again, and a backfill sends everything again.
 */
export class Passed {
  /** Versions of the primary that were looked for. */
  versions = 0;
  readonly #primary: LookConnection;
  readonly #replica: LookConnection;
  readonly #complain: (text: string) => void;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** The last look: there is one at a time. */
  #looking: Promise<void> = Promise.resolve();
  #isHeld = false;
  #pasts = 0;
  /** What stands up to here was looked for; null: nothing. */
  #upTo: Place | null = null;
  /** Memories that were refused when they were looked for: looked for again. */
  #refused: readonly string[] = [];

  constructor(parts: { primaryUrl: string; replicaUrl: string; complain: (text: string) => void }) {
    this.#primary = new LookConnection(parts.primaryUrl);
    this.#replica = new LookConnection(parts.replicaUrl);
    this.#complain = parts.complain;
    this.#running = this.#run();
  }

  /** Questions that were asked again, since they had no answer. */
  get repeated(): number {
    return this.#primary.repeated + this.#replica.repeated;
  }

  /** One of both is put back: what was looked for proves nothing, nor does a look that is under way. */
  forget(): void {
    this.#pasts++;
    this.#upTo = null;
    this.#refused = [];
  }

  /** The primary is put back from now on, and its replica may not know of it yet. */
  hold(): void {
    this.#isHeld = true;
    this.forget();
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Looks at once: before something sends again what may be lost. Tells nothing while either side is away. */
  async look(): Promise<void> {
    const before = this.#looking;
    this.#looking = (async () => {
      await before;
      try {
        if (!this.#isHeld) await this.#lookOnce();
      } catch (error) {
        if (!isAway(error)) this.#complain(`passed: a look failed: ${(error as Error).message}`);
      }
    })();
    await this.#looking;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopping.signal.aborted) {
        await this.look();
        await pause(LOOK_MS);
      }
    } finally {
      await Promise.all([this.#primary.close(), this.#replica.close()]);
    }
  }

  async #lookOnce(): Promise<void> {
    const pasts = this.#pasts;
    const place = await this.#replica.ask(readPlace);
    if (place === null) return;
    const isOn = this.#upTo !== null && isBehind(this.#upTo, place);
    // The primary later than the replica's place, and what the replica has last: none of them lacks what it only gets meanwhile.
    const [upTo, refused] = isOn ? [this.#upTo, this.#refused] : [null, []];
    const passed = await this.#primary.ask((sql) => readPassed(sql, place, upTo, refused));
    if (passed === null) return;
    const lacking = await this.#replica.ask((sql) => readLacking(sql, place, passed));
    if (lacking === null || pasts !== this.#pasts) return;
    this.versions += passed.length;
    this.#upTo = place;
    this.#refused = [...new Set(lacking.filter(({ is_refused }) => is_refused).map(({ memory_id }) => memory_id))];
    for (const finding of passedFindings(lacking)) this.#complain(finding);
  }
}

/** What the replica lacks, though its place is behind it, and does not say itself that it lacks. */
export function passedFindings(lacking: readonly Lacking[]): string[] {
  return lacking
    .filter(({ is_refused }) => !is_refused)
    .map(({ memory_id, version, row_version, tx_id }) => {
      const isRowBehind = row_version === null || Number(row_version) < Number(version);
      const what = isRowBehind ? `the row is at ${row_version}` : "this version is missing";
      return `passed: the replica's place is behind ${memory_id}@${version}, and ${what} (written by ${tx_id})`;
    });
}

/** Whether what stands up to one place is a part of what stands up to the other. */
function isBehind(one: Place, other: Place): boolean {
  if (one.epoch !== other.epoch || one.began_at !== other.began_at) return false;
  const [a, b] = [BigInt(one.xid), BigInt(other.xid)];
  return a < b || (a === b && BigInt(one.seq) <= BigInt(other.seq));
}

export async function readPlace(replica: postgres.Sql): Promise<Place | null> {
  const [row] = await replica<Place[]>`
    select feed_epoch as epoch, began_at::text, xid::text, seq::text, seen_tx from mnemosync.replica_cursor`;
  return row ?? null;
}

/**
 * Of the primary: what stands up to `place`, behind `upTo`, and all of `memoryIds`.
 * @returns null: it was put back, and the replica does not know of it yet.
 */
export async function readPassed(
  primary: postgres.Sql,
  place: Place,
  upTo: Place | null,
  memoryIds: readonly string[],
): Promise<PassedVersion[] | null> {
  const [row] = await primary<{ is_same: boolean; versions: PassedVersion[] | null }[]>`
    select (select value from mnemosync.sync_meta where name = 'store_epoch') = ${place.epoch}
           and exists (select from mnemosync.sync_transactions where tx_id = ${place.seen_tx}) as is_same, (
      select json_agg(v) from (
        select b.memory_id, b.version::text, b.tx_id,
               b.document is not null and b.document ->> 'privacy' <> 'local_only' and not exists (
                 select from mnemosync.memory_bodies l
                 where l.namespace = b.namespace and l.memory_id = b.memory_id and l.version > b.version
                   and (l.ended_by in ('withdrawn', 'erased') or l.document ->> 'privacy' = 'local_only')) as is_put
        from mnemosync.memory_bodies b
        where (b.xid, b.seq) <= (${place.xid}::text::xid8, ${place.seq}::text::bigint)
          and ((b.xid, b.seq) > (${upTo?.xid ?? "0"}::text::xid8, ${upTo?.seq ?? "0"}::text::bigint)
               or b.memory_id = any (string_to_array(${memoryIds.join(" ")}::text, ' ')))
      ) v
    ) as versions`;
  return row?.is_same === true ? (row.versions ?? []) : null;
}

/**
 * Of the replica: those of the versions that it has not, and those above the row of their memory.
 * @returns null: it does not stand at `place`, nor behind it.
 */
export async function readLacking(
  replica: postgres.Sql,
  place: Place,
  passed: readonly PassedVersion[],
): Promise<Lacking[] | null> {
  const [row] = await replica<{ lacking: Lacking[] | null }[]>`
    select (
      select json_agg(l) from (
        select k.memory_id, k.version::text, k.tx_id, k.is_put, v.version::text as row_version,
               exists (select from mnemosync.replica_dead_letters d where d.memory_id = k.memory_id) as is_refused
        from jsonb_to_recordset(${JSON.stringify(passed)}::text::jsonb)
          as k (memory_id text, version bigint, tx_id text, is_put boolean)
        left join mnemosync.memory_versions v on v.namespace = 'default' and v.memory_id = k.memory_id
        where v.version < k.version
           or (k.is_put and (v.version is null or not exists (
             select from mnemosync.memory_bodies b
             where b.namespace = 'default' and b.memory_id = k.memory_id and b.version = k.version and b.tx_id = k.tx_id)))
      ) l
    ) as lacking
    from mnemosync.replica_cursor c
    where c.feed_epoch = ${place.epoch} and c.began_at::text = ${place.began_at}
      and (c.xid, c.seq) >= (${place.xid}::text::xid8, ${place.seq}::text::bigint)`;
  return row === undefined ? null : (row.lacking ?? []);
}
