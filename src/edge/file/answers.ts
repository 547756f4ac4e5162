import type { MemoryKey } from "../../domain/keys.ts";
import type { HubChange } from "../../hub/protocol/changes.ts";
import { correctedTime } from "../../hub/protocol/clock.ts";
import type { PushAnswer, PushAnswers } from "../../hub/protocol/push.ts";
import type { WireMemory } from "../../hub/protocol/wire-memory.ts";
import { backoffMs } from "../../runtime/backoff.ts";
import type { Batch } from "./batches.ts";
import type { Conflicts } from "./conflicts.ts";
import type { FileContext, FileNotice } from "./context.ts";
import type { Inbox } from "./inbox.ts";
import type { Memories, MemoryRow } from "./memories.ts";
import { mayBeApplied, type Outbox, type OutboxRow } from "./outbox.ts";
import { PlainAnswers, type PushTimes } from "./plain-answers.ts";
import type { RemoteChanges } from "./remote-changes.ts";
import { ENDED, sideOfWire } from "./side.ts";

/** What the answers of one push came to. */
export interface AnswerCounts {
  applied: number;
  conflicts: number;
  failed: number;
  retry: number;
  /** Milliseconds from the oldest edit that was applied to its answer; null: none was. */
  lagMs: number | null;
}

/** What became of the answers of a push, and the batch that follows; null: none was asked for, or nothing is due. */
export interface RecordedAnswers extends AnswerCounts {
  readonly notices: readonly FileNotice[];
  readonly epoch: string | null;
  readonly batch: Batch | null;
}

/** The hub's answers to changes. All methods run in the transaction of their caller. */
export class Answers {
  readonly #context: FileContext;
  readonly #memories: Memories;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #conflicts: Conflicts;
  readonly #remote: RemoteChanges;
  readonly #plain: PlainAnswers;

  constructor(
    context: FileContext,
    rooms: { memories: Memories; outbox: Outbox; inbox: Inbox; conflicts: Conflicts; remote: RemoteChanges },
  ) {
    this.#context = context;
    this.#memories = rooms.memories;
    this.#outbox = rooms.outbox;
    this.#inbox = rooms.inbox;
    this.#conflicts = rooms.conflicts;
    this.#remote = rooms.remote;
    this.#plain = new PlainAnswers(context, rooms);
  }

  /** The answers of one push. Those of another epoch than the file's say nothing: the changes stay as they are. */
  recordAll(
    keys: readonly string[],
    answered: PushAnswers,
    times: Omit<PushTimes, "receivedAt">,
    today: string,
  ): { readonly counts: AnswerCounts; readonly notices: readonly FileNotice[] } {
    const counts: AnswerCounts = { applied: 0, conflicts: 0, failed: 0, retry: 0, lagMs: null };
    const notices: FileNotice[] = [];
    const { facts } = this.#context;
    if (answered.epoch !== facts.get("epoch")) return { counts, notices };
    facts.set("clock_offset_ms", Math.round(answered.receivedAt - times.sentAt));
    const all = { ...times, receivedAt: answered.receivedAt };
    const answers = new Map(answered.answers.map((answer, index) => [keys[index] as string, answer]));
    const plain = this.#plain.settle(answers, all);
    counts.applied = plain.keys.size;
    counts.lagMs = plain.lagMs;
    for (const [key, answer] of answers) {
      if (!plain.keys.has(key)) this.record(key, answer, all, counts, notices);
    }
    facts.set("last_push_at", times.nowMs);
    facts.count(today, "synced", counts.applied);
    return { counts, notices };
  }

  /** An answer to a change that is no longer here came twice, or after its echo: it says nothing new. */
  record(changeKey: string, answer: PushAnswer, times: PushTimes, counts: AnswerCounts, notices: FileNotice[]): void {
    const change = this.#outbox.byKey(changeKey);
    if (change === undefined) return;
    const key = { namespace: change.namespace, memoryId: change.memory_id };
    switch (answer.status) {
      case "applied":
      case "duplicate":
        counts.applied++;
        counts.lagMs = Math.max(counts.lagMs ?? 0, times.nowMs - change.created_at);
        this.settle(change, answer.version, correctedTime(change.modified_at, times.sentAt, times.receivedAt));
        this.applyWaiting(key, times.nowMs, notices);
        return;
      case "conflict":
        counts.conflicts++;
        this.#meetConflict(key, change, answer.current, times.nowMs, notices);
        return;
      case "rejected":
        counts.failed++;
        this.#reject(key, change, answer.code, answer.message, times.nowMs, notices);
        return;
      case "retry":
        counts.retry++;
        this.#postpone(key, change, answer, times.nowMs, counts, notices);
        return;
    }
  }

  /** The hub refuses the call that carries this change alone. */
  fail(changeKey: string, code: string, message: string, notices: FileNotice[]): void {
    const change = this.#outbox.byKey(changeKey);
    if (change === undefined) return;
    const key = { namespace: change.namespace, memoryId: change.memory_id };
    this.#fail(key, change, code, message, change.attempts, notices);
  }

  /** The hub has the change, as this version. */
  settle(change: OutboxRow, version: number, modifiedAt: number): void {
    const key = { namespace: change.namespace, memoryId: change.memory_id };
    const row = this.#memories.find(key);
    this.#outbox.remove(change);
    if (row === undefined) return;
    const epoch = this.#context.facts.get("epoch");
    const isNewer = version >= row.version || row.epoch !== epoch;
    const own = { hubKey: change.key, ownKey: change.key, ownParentKey: change.parent_key };
    const hub = isNewer ? { version, epoch, ...own } : null;
    const [next] = this.#outbox.of(key);
    if (next !== undefined) {
      if (hub !== null) this.#memories.setHub(key, hub);
      this.#outbox.rebase(next, version, change.key);
      this.#memories.setBase(
        key,
        change.payload === null ? ENDED : sideOfWire(JSON.parse(change.payload) as WireMemory),
      );
      return;
    }
    this.#memories.settle(row.row, hub, modifiedAt, this.#context.facts.number("resync_generation"));
  }

  /** What was pulled meanwhile, and had to wait for the answer. */
  applyWaiting(key: MemoryKey, nowMs: number, notices: FileNotice[]): void {
    const waiting = this.#inbox.takeWaiting(key);
    if (waiting === null) return;
    const row = this.#memories.find(key);
    if (row !== undefined && row.epoch === this.#context.facts.get("epoch") && waiting.version <= row.version) return;
    const [head] = this.#outbox.of(key);
    if (row === undefined || head === undefined) {
      this.#remote.adopt(key, row, waiting);
      return;
    }
    if (mayBeApplied(head)) {
      this.#inbox.wait(waiting, nowMs);
      return;
    }
    this.#remote.meet(row, head, waiting, nowMs, notices);
  }

  #meetConflict(key: MemoryKey, change: OutboxRow, told: HubChange | null, nowMs: number, notices: FileNotice[]): void {
    const row = this.#memories.find(key);
    const waiting = this.#inbox.takeWaiting(key);
    const current = told === null || (waiting !== null && waiting.version > told.version) ? (waiting ?? told) : told;
    if (row === undefined) {
      this.#outbox.remove(change);
      return;
    }
    if (current === null) {
      this.#startAnew(key, row, change, nowMs);
      return;
    }
    if (current.key === change.key) {
      this.settle(change, current.version, current.modifiedAt);
      return;
    }
    if (current.kind === "deleted" && current.reason === "erased") {
      this.purge(key, nowMs, notices);
      return;
    }
    this.#outbox.setStatus(change, "pending");
    const met = this.#remote.meet(row, { ...change, status: "pending" }, current, nowMs, notices);
    if (met === "applied") this.#renew(key, change, nowMs);
  }

  /** After a conflict nothing is sent under its key again: a late copy of the first one must not count for the second. */
  #renew(key: MemoryKey, change: OutboxRow, nowMs: number): void {
    if (this.#outbox.byKey(change.key) === undefined) return;
    this.#context.file.run(
      "update outbox set key = ?, frozen = 0, status = 'pending', sent_at = null, attempts = 0 where seq = ?",
      this.#context.facts.nextKey(nowMs, this.#context.random),
      change.seq,
    );
    const [head, ...behind] = this.#outbox.of(key);
    // A put that now is unsent again, and a later edit behind it, are one change.
    const [next] = behind;
    if (head === undefined || next === undefined || head.op === "withdraw" || next.op === "withdraw") return;
    this.#outbox.remove(head);
    this.#outbox.rebase(next, head.base_version, head.parent_key);
  }

  /** The hub knows no such memory any more: what is here is written as a new one. */
  #startAnew(key: MemoryKey, row: MemoryRow, change: OutboxRow, nowMs: number): void {
    if (change.op === "delete" && this.#outbox.of(key).length === 1) {
      this.#outbox.remove(change);
      this.#memories.remove(key);
      return;
    }
    this.#memories.setHub(key, { version: 0, epoch: null, hubKey: null, ownKey: row.own_key, ownParentKey: null });
    this.#memories.setBase(key, null);
    this.#outbox.rebase(change, 0, null);
    this.#renew(key, change, nowMs);
  }

  #reject(
    key: MemoryKey,
    change: OutboxRow,
    code: string,
    message: string,
    nowMs: number,
    notices: FileNotice[],
  ): void {
    if (code === "ERASED") {
      this.purge(key, nowMs, notices);
      return;
    }
    const row = this.#memories.find(key);
    const isKnownThere = code === "SYNC_SETTLED" || code === "IDEMPOTENCY_KEY_REUSED";
    if (isKnownThere && row !== undefined && row.own_key === change.key) {
      // An acknowledged edit that was offered again: the hub did not lose it.
      this.#outbox.remove(change);
      const [next] = this.#outbox.of(key);
      if (next === undefined) this.#memories.setBase(key, null);
      this.applyWaiting(key, nowMs, notices);
      return;
    }
    this.#fail(key, change, code, message, change.attempts, notices);
    this.applyWaiting(key, nowMs, notices);
  }

  #postpone(
    key: MemoryKey,
    change: OutboxRow,
    answer: Extract<PushAnswer, { status: "retry" }>,
    nowMs: number,
    counts: AnswerCounts,
    notices: FileNotice[],
  ): void {
    const { attemptsMax, retryBaseMs: baseMs, retryMaxMs: maxMs } = this.#context.settings;
    const attempts = change.attempts + 1;
    // A withdrawal must arrive, however long it takes; and a change that may be applied must not count as failed.
    const mayFail = change.op !== "withdraw" && answer.code !== "COMMIT_OUTCOME_UNKNOWN";
    if (attempts >= attemptsMax && mayFail) {
      counts.failed++;
      const message = `the hub answered ${answer.code} ${attempts} times: ${answer.message}`;
      this.#fail(key, change, "SYNC_RETRIES_EXCEEDED", message, attempts, notices);
      return;
    }
    const waitMs = Math.max(
      Math.min(answer.afterMs, maxMs),
      backoffMs(attempts, { baseMs, maxMs, random: this.#context.random }),
    );
    this.#outbox.postpone(change, attempts, nowMs + waitMs, answer.code, answer.message);
  }

  /** A later edit of the memory takes the place of the one that failed: it says what is so now. */
  #fail(
    key: MemoryKey,
    change: OutboxRow,
    code: string,
    message: string,
    attempts: number,
    notices: FileNotice[],
  ): void {
    const next = this.#outbox.of(key).find(({ seq }) => seq > change.seq);
    notices.push({ kind: "failed", key, code, message });
    if (next !== undefined && change.op !== "withdraw") {
      this.#outbox.remove(change);
      this.#outbox.rebase(next, change.base_version, change.parent_key);
      return;
    }
    this.#outbox.fail(change, code, message, attempts);
  }

  /** Erased at the hub: every trace goes, unsent changes included. */
  purge(key: MemoryKey, nowMs: number, notices: FileNotice[]): void {
    this.#outbox.removeAll(key);
    this.#inbox.takeWaiting(key);
    this.#conflicts.purge(key);
    this.#memories.remove(key);
    // A dead letter has the content of an item that could not be stored under this id.
    this.#context.file.run("delete from connector_letters where memory_id = ?", key.memoryId);
    this.#context.file.run(
      "insert or replace into erased (namespace, memory_id, at) values (?, ?, ?)",
      key.namespace,
      key.memoryId,
      nowMs,
    );
    notices.push({ kind: "erased", key });
  }
}
