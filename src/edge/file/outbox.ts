import type { MemoryKey } from "../../domain/keys.ts";
import type { WireMemory } from "../../hub/protocol/wire-memory.ts";
import type { FileContext } from "./context.ts";

export type OutboxOp = "put" | "delete" | "withdraw";
/** `held`: awaits the decision of a conflict. */
export type OutboxStatus = "pending" | "sent" | "held" | "failed";

/** A change on its way to the hub. */
export interface OutboxRow {
  readonly seq: number;
  readonly key: string;
  readonly namespace: string;
  readonly memory_id: string;
  readonly op: OutboxOp;
  readonly base_version: number | null;
  readonly parent_key: string | null;
  readonly modified_at: number;
  readonly payload: string | null;
  readonly bytes: number;
  readonly status: OutboxStatus;
  readonly frozen: number;
  readonly attempts: number;
  readonly next_attempt_at: number;
  readonly error_code: string | null;
  readonly error: string | null;
  readonly created_at: number;
  readonly sent_at: number | null;
}

/** Whether the hub may have applied the change: it was sent, and no answer says what became of it. */
export function mayBeApplied({ status, frozen }: Pick<OutboxRow, "status" | "frozen">): boolean {
  // After `retry` it is pending and still frozen: the hub may not have known, or another copy may have come first.
  return status === "sent" || (status === "pending" && frozen === 1);
}

export interface NewChange {
  readonly key: string;
  readonly op: OutboxOp;
  readonly baseVersion: number | null;
  readonly parentKey: string | null;
  /** By this machine's clock. */
  readonly modifiedAt: number;
  readonly memory: WireMemory | null;
  readonly status?: OutboxStatus;
}

/** Bytes of a change's envelope in the body of a push, about. */
const ENVELOPE_BYTES = 250;

/** The changes that the hub has not answered for good. All methods run in the transaction of their caller. */
export class Outbox {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  /** Lets a failed change be sent again, as if it had never been tried. */
  sendAgain(changeKey: string): void {
    this.#context.file.run(
      "update outbox set status = 'pending', attempts = 0, next_attempt_at = 0 where key = ?",
      changeKey,
    );
  }

  /** The changes of a memory, in their order. */
  of({ namespace, memoryId }: MemoryKey): OutboxRow[] {
    return this.#context.file.all<OutboxRow>(
      "select * from outbox where namespace = ? and memory_id = ? order by seq",
      namespace,
      memoryId,
    );
  }

  byKey(key: string): OutboxRow | undefined {
    return this.#context.file.get<OutboxRow>("select * from outbox where key = ?", key);
  }

  add(key: MemoryKey, change: NewChange, nowMs: number): void {
    const payload = change.memory === null ? null : JSON.stringify(change.memory);
    this.#context.file.run(
      `insert into outbox (key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, created_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      change.key,
      key.namespace,
      key.memoryId,
      change.op,
      change.baseVersion,
      change.parentKey,
      change.modifiedAt,
      payload,
      bytesOf(key, payload),
      change.status ?? "pending",
      nowMs,
    );
  }

  /** Lets a change that was never sent say something else. Its key and its base stay. */
  rewrite(row: OutboxRow, op: OutboxOp, memory: WireMemory | null, modifiedAt: number): void {
    const payload = memory === null ? null : JSON.stringify(memory);
    const bytes = bytesOf({ namespace: row.namespace, memoryId: row.memory_id }, payload);
    this.#context.file.run(
      "update outbox set op = ?, payload = ?, bytes = ?, modified_at = ? where seq = ?",
      op,
      payload,
      bytes,
      modifiedAt,
      row.seq,
    );
  }

  /** Gives the change behind an answered one the version that it was made on. */
  rebase(row: OutboxRow, baseVersion: number | null, parentKey: string | null): void {
    this.#context.file.run(
      "update outbox set base_version = ?, parent_key = ? where seq = ?",
      baseVersion,
      parentKey,
      row.seq,
    );
  }

  remove(row: Pick<OutboxRow, "seq">): void {
    this.#context.file.run("delete from outbox where seq = ?", row.seq);
  }

  removeMany(rows: readonly Pick<OutboxRow, "seq">[]): void {
    if (rows.length === 0) return;
    const places = JSON.stringify(rows.map(({ seq }) => seq));
    this.#context.file.run("delete from outbox where seq in (select value from json_each(?))", places);
  }

  removeAll({ namespace, memoryId }: MemoryKey): void {
    this.#context.file.run("delete from outbox where namespace = ? and memory_id = ?", namespace, memoryId);
  }

  fail(row: OutboxRow, code: string, message: string, attempts = row.attempts): void {
    this.#context.file.run(
      "update outbox set status = 'failed', error_code = ?, error = ?, attempts = ? where seq = ?",
      code,
      message.slice(0, ERROR_LENGTH_MAX),
      attempts,
      row.seq,
    );
  }

  setStatus(row: Pick<OutboxRow, "seq">, status: OutboxStatus): void {
    this.#context.file.run("update outbox set status = ? where seq = ?", status, row.seq);
  }

  /** Lets a change wait after the hub answered `retry`. It stays frozen: an earlier copy may still be on its way. */
  postpone(row: OutboxRow, attempts: number, nextAttemptAt: number, code: string, message: string): void {
    this.#context.file.run(
      "update outbox set status = 'pending', attempts = ?, next_attempt_at = ?, error_code = ?, error = ? where seq = ?",
      attempts,
      nextAttemptAt,
      code,
      message.slice(0, ERROR_LENGTH_MAX),
      row.seq,
    );
  }
}

const ERROR_LENGTH_MAX = 1_000;

function bytesOf(key: MemoryKey, payload: string | null): number {
  const text = payload === null ? 0 : Buffer.byteLength(payload, "utf8");
  return ENVELOPE_BYTES + key.namespace.length + Buffer.byteLength(key.memoryId, "utf8") + text;
}
