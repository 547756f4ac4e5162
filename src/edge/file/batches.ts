import { keyBefore } from "../../hub/protocol/change-key.ts";
import type { PushChange, PushChanges } from "../../hub/protocol/push.ts";
import { WIRE_PRIVACIES, type WireMemory, type WirePrivacy } from "../../hub/protocol/wire-memory.ts";
import type { FileContext } from "./context.ts";
import type { Memories } from "./memories.ts";
import type { OutboxRow } from "./outbox.ts";

export interface BatchBounds {
  readonly changesMax: number;
  readonly bytesMax: number;
}

/** Changes that are frozen under their keys, ready to be sent. */
export interface Batch extends PushChanges {
  readonly device: string;
  /** Whether more could be sent now. */
  readonly more: boolean;
}

/** What names a change, and says what it does. */
export type ChangeHead = Pick<PushChange, "key" | "namespace" | "memoryId" | "op">;

/** A batch whose changes stay in the thread that sends them. */
export interface HeldBatch extends Batch {
  /** Names it there. */
  readonly held: number;
  readonly heads: readonly ChangeHead[];
}

export function headsOf(batch: Batch): readonly ChangeHead[] {
  return "held" in batch ? (batch as HeldBatch).heads : batch.changes;
}

/** The first change of its memory: the ones behind it wait for its answer, since it gives them their base. */
const IS_FIRST = `not exists (select 1 from outbox before where before.namespace = change.namespace
  and before.memory_id = change.memory_id and before.seq < change.seq)`;

/** What a batch needs of a change: reading all columns of each took longer than finding it. */
const DUE_COLUMNS = "seq, key, namespace, memory_id, op, base_version, modified_at, payload, bytes, status";
type DueRow = Pick<
  OutboxRow,
  "seq" | "key" | "namespace" | "memory_id" | "op" | "base_version" | "modified_at" | "payload" | "bytes" | "status"
>;

/** Chooses what is sent next. */
export class Batches {
  readonly #context: FileContext;
  readonly #memories: Memories;

  constructor(context: FileContext, memories: Memories) {
    this.#context = context;
    this.#memories = memories;
  }

  /**
   * The next batch: changes without an answer first, as they were, then new ones. Each is frozen, durably, before anything is
   * sent, in the transaction of the caller. At most one change of a memory. A change larger than `bytesMax` goes alone.
   * @param inFlight keys of changes whose request is under way: they are not sent twice at once.
   */
  freeze(bounds: BatchBounds, nowMs: number, inFlight: readonly string[] = []): Batch | null {
    const chosen: DueRow[] = [];
    let bytes = 0;
    let more = false;
    for (const row of this.#due(bounds.changesMax + 1, nowMs, inFlight)) {
      const isFull = chosen.length >= bounds.changesMax || bytes + row.bytes > bounds.bytesMax;
      if (chosen.length > 0 && isFull) {
        more = true;
        break;
      }
      chosen.push(row);
      bytes += row.bytes;
    }
    if (chosen.length === 0) return null;
    const changes = chosen.map(toSend);
    this.#markSent(chosen, changes, nowMs);
    const { facts } = this.#context;
    const [epoch, device] = [facts.get("epoch"), facts.get("device") as string];
    return { device, epoch, sentAt: nowMs, settledThrough: this.#raiseFloor(), changes, more };
  }

  #due(limit: number, nowMs: number, inFlight: readonly string[]): DueRow[] {
    const unanswered = this.#context.file.all<DueRow>(
      `select ${DUE_COLUMNS} from outbox change where status = 'sent' and key not in (select value from json_each(?)) and ${IS_FIRST}
       order by seq limit ?`,
      JSON.stringify(inFlight),
      limit,
    );
    if (unanswered.length >= limit) return unanswered;
    // A time far ahead was set before the clock was put back: it is not waited for.
    const farMs = nowMs + 2 * this.#context.settings.retryMaxMs;
    const pending = this.#context.file.all<DueRow>(
      `select ${DUE_COLUMNS} from outbox change where status = 'pending' and (next_attempt_at <= ? or next_attempt_at > ?) and ${IS_FIRST}
       order by seq limit ?`,
      nowMs,
      farMs,
      limit - unanswered.length,
    );
    return [...unanswered, ...pending];
  }

  #markSent(rows: readonly DueRow[], changes: readonly PushChange[], nowMs: number): void {
    // From now on the hub may have them, whatever becomes of the answer.
    for (const privacy of WIRE_PRIVACIES) {
      const sent = rows.filter((_row, index) => privacyOf(changes[index] as PushChange) === privacy);
      this.#memories.setSentOf(
        sent.map(({ seq }) => seq),
        privacy,
      );
    }
    const places = rows.filter(({ status }) => status !== "sent").map(({ seq }) => seq);
    if (places.length === 0) return;
    this.#context.file.run(
      `update outbox set status = 'sent', frozen = 1, sent_at = ?, error_code = null, error = null
       where seq in (select value from json_each(?))`,
      nowMs,
      JSON.stringify(places),
    );
  }

  /**
   * The greatest key below every key of the outbox: none up to it is ever sent again. Kept before it is told, since the file
   * must know more than the hub: a hub that knows more has spoken with a copy of this file.
   */
  #raiseFloor(): string | null {
    // While everything is read anew, acknowledged edits may turn out to be lost: they are offered again, under their keys.
    const isResync = this.#context.facts.get("resync_reason") !== null;
    const offers = isResync ? "union all select own_key from memories where own_key is not null" : "";
    const query = `select min(key) as key from (select key from outbox ${offers})`;
    const least = this.#context.file.get<{ key: string | null }>(query)?.key;
    const known = this.#context.facts.get("settled_floor");
    if (least == null) return known;
    const floor = keyBefore(least);
    if (known !== null && floor <= known) return known;
    this.#context.facts.set("settled_floor", floor);
    return floor;
  }
}

function toSend(row: DueRow): PushChange {
  const memory = row.payload === null ? null : (JSON.parse(row.payload) as WireMemory);
  const key = { namespace: row.namespace, memoryId: row.memory_id };
  // Null where the base is of another epoch: the hub then says what it has.
  const base = { key: row.key, ...key, baseVersion: row.base_version, modifiedAt: row.modified_at };
  return memory === null ? { ...base, op: row.op as "delete" | "withdraw" } : { ...base, op: "put", memory };
}

function privacyOf(change: PushChange): WirePrivacy | null {
  return change.op === "put" ? change.memory.privacy : null;
}
