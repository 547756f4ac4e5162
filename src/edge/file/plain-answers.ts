import { correctedTime } from "../../hub/protocol/clock.ts";
import type { PushAnswer } from "../../hub/protocol/push.ts";
import type { FileContext } from "./context.ts";
import type { Memories } from "./memories.ts";
import type { Outbox } from "./outbox.ts";

/** When a push was sent, by this machine's clock, and when it arrived, by the hub's. */
export interface PushTimes {
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly nowMs: number;
}

/** A change that was applied, and what is known of its memory. */
interface PlainRow {
  readonly seq: number;
  readonly key: string;
  readonly parent_key: string | null;
  readonly modified_at: number;
  readonly created_at: number;
  /** Null: the memory has no row any more. */
  readonly row: number | null;
  readonly version: number | null;
  readonly epoch: string | null;
}

/**
 * Answers that nearly all changes get: applied, with no later edit behind the change and nothing pulled meanwhile. They are settled
 * with one statement each, beside two for all of a batch; others, one by one, take half a dozen.
 */
export class PlainAnswers {
  readonly #context: FileContext;
  readonly #memories: Memories;
  readonly #outbox: Outbox;

  constructor(context: FileContext, rooms: { memories: Memories; outbox: Outbox }) {
    this.#context = context;
    this.#memories = rooms.memories;
    this.#outbox = rooms.outbox;
  }

  /** Settles those of the answers that are plain. In the transaction of the caller. @returns their keys, and the longest lag. */
  settle(
    answers: ReadonlyMap<string, PushAnswer>,
    times: PushTimes,
  ): { readonly keys: ReadonlySet<string>; readonly lagMs: number | null } {
    const rows = this.#plain([...answers].flatMap(([key, { status }]) => (isApplied(status) ? [key] : [])));
    const { facts } = this.#context;
    const [epoch, seen] = [facts.get("epoch"), facts.number("resync_generation")];
    let lagMs: number | null = null;
    for (const change of rows) {
      const { version } = answers.get(change.key) as { version: number };
      lagMs = Math.max(lagMs ?? 0, times.nowMs - change.created_at);
      if (change.row === null) continue;
      const isNewer = version >= (change.version ?? 0) || change.epoch !== epoch;
      const own = { hubKey: change.key, ownKey: change.key, ownParentKey: change.parent_key };
      const hub = isNewer ? { version, epoch, ...own } : null;
      const modifiedAt = correctedTime(change.modified_at, times.sentAt, times.receivedAt);
      this.#memories.settle(change.row, hub, modifiedAt, seen);
    }
    this.#outbox.removeMany(rows);
    return { keys: new Set(rows.map(({ key }) => key)), lagMs };
  }

  #plain(keys: readonly string[]): PlainRow[] {
    if (keys.length === 0) return [];
    return this.#context.file.all<PlainRow>(
      `select change.seq, change.key, change.parent_key, change.modified_at, change.created_at,
              memory.row, memory.version, memory.epoch
       from json_each(?) told
       cross join outbox change on change.key = told.value
       left join memories memory on memory.namespace = change.namespace and memory.memory_id = change.memory_id
       where not exists (select 1 from outbox other where other.namespace = change.namespace
         and other.memory_id = change.memory_id and other.seq <> change.seq)
       and not exists (select 1 from inbox waiting where waiting.namespace = change.namespace
         and waiting.memory_id = change.memory_id and waiting.status = 'waiting')`,
      JSON.stringify(keys),
    );
  }
}

function isApplied(status: PushAnswer["status"]): boolean {
  return status === "applied" || status === "duplicate";
}
