import type { MemoryKey } from "../../domain/keys.ts";
import type { HubChange } from "../../hub/protocol/changes.ts";
import type { FileContext } from "./context.ts";
import type { ChangeOutcome } from "./remote-changes.ts";

/** Records of applied changes that are kept. */
const KEPT_MAX = 1_000;

/** Changes that were pulled. All methods run in the transaction of their caller. */
export class Inbox {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  /** Notes what became of the changes of a page. Their content is not kept a second time, and what waits is here already. */
  note(changes: readonly HubChange[], outcomes: readonly ChangeOutcome[], nowMs: number): void {
    const noted = changes.flatMap(({ namespace, memoryId, version }, index) => {
      return outcomes[index] === "waiting" ? [] : [[namespace, memoryId, version, outcomes[index]]];
    });
    this.#context.file.run(
      `insert into inbox (namespace, memory_id, version, status, received_at)
       select value ->> 0, value ->> 1, value ->> 2, value ->> 3, ? from json_each(?) order by key`,
      nowMs,
      JSON.stringify(noted.slice(-KEPT_MAX)),
    );
  }

  /** Keeps a change until the sent one of the same memory is answered. A newer one takes the place of an older one. */
  wait(change: HubChange, nowMs: number): void {
    const before = this.takeWaiting(change);
    const kept = before !== null && before.version > change.version ? before : change;
    this.#context.file.run(
      "insert into inbox (namespace, memory_id, version, change, status, received_at) values (?, ?, ?, ?, 'waiting', ?)",
      kept.namespace,
      kept.memoryId,
      kept.version,
      JSON.stringify(kept),
      nowMs,
    );
  }

  isWaiting({ namespace, memoryId }: MemoryKey): boolean {
    const sql = "select 1 as n from inbox where namespace = ? and memory_id = ? and status = 'waiting'";
    return this.#context.file.get(sql, namespace, memoryId) !== undefined;
  }

  takeWaiting({ namespace, memoryId }: MemoryKey): HubChange | null {
    const found = this.#context.file.get<{ seq: number; change: string }>(
      "select seq, change from inbox where namespace = ? and memory_id = ? and status = 'waiting'",
      namespace,
      memoryId,
    );
    if (found === undefined) return null;
    this.#context.file.run("delete from inbox where seq = ?", found.seq);
    return JSON.parse(found.change) as HubChange;
  }

  /** Pages of another epoch say nothing about this one. */
  dropWaiting(): void {
    this.#context.file.run("delete from inbox where status = 'waiting'");
  }

  prune(): void {
    this.#context.file.run(
      "delete from inbox where status <> 'waiting' and seq <= (select max(seq) from inbox) - ?",
      KEPT_MAX,
    );
  }
}
