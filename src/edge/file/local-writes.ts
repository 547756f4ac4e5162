import { ErasedError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryDocument } from "../../domain/memory.ts";
import { leavingMemory, leavingOperations } from "../../hub/protocol/privacy.ts";
import type { WireVector } from "../../hub/protocol/wire-memory.ts";
import { SyncPayloadError } from "../errors.ts";
import type { Conflicts } from "./conflicts.ts";
import { type FileContext, hubTime } from "./context.ts";
import { baseOf, type Memories, type MemoryRow } from "./memories.ts";
import type { Outbox, OutboxRow } from "./outbox.ts";
import { ENDED, type Side, sideOfRow } from "./side.ts";
import type { Words } from "./words.ts";

/** What of a memory's row an edit does not change. */
type KnownAtHub = Pick<MemoryRow, "version" | "epoch" | "hub_key" | "sent_privacy" | "withdrew">;
const UNKNOWN_AT_HUB: KnownAtHub = { version: 0, epoch: null, hub_key: null, sent_privacy: "nothing", withdrew: 0 };

/** Edits made here: the memory and its change for the hub, in one transaction. */
export class LocalWrites {
  readonly #context: FileContext;
  readonly #memories: Memories;
  readonly #outbox: Outbox;
  readonly #conflicts: Conflicts;
  readonly #words: Words;

  constructor(context: FileContext, rooms: { memories: Memories; outbox: Outbox; conflicts: Conflicts; words: Words }) {
    this.#context = context;
    this.#memories = rooms.memories;
    this.#outbox = rooms.outbox;
    this.#conflicts = rooms.conflicts;
    this.#words = rooms.words;
  }

  /** @throws {ErasedError} @throws {SyncPayloadError} Its content is withheld from this device. */
  put(key: MemoryKey, document: MemoryDocument, embedding: WireVector | null, nowMs: number): void {
    this.#context.file.transaction(() => this.write(key, { document, embedding, withheld: false }, nowMs));
  }

  /** As `put`, within the transaction of the caller. */
  write(key: MemoryKey, side: Side, nowMs: number): void {
    const { row: before, isErased, hasChanges } = this.#memories.standing(key);
    if (isErased) throw new ErasedError(key.namespace, key.memoryId);
    if (before?.withheld === 1 && before.deleted === 0) {
      throw new SyncPayloadError(
        `the content of ${JSON.stringify(key.memoryId)} is withheld from this device: patch importance, memoryType or ` +
          "expiresAt, or write another memory",
      );
    }
    this.#edit(key, before, hasChanges ? this.#outbox.of(key) : [], side, nowMs);
  }

  /** @param patched makes the new document of the current one. @returns whether there is such a memory. */
  patch(key: MemoryKey, patched: (side: Side) => Side, nowMs: number): boolean {
    return this.#context.file.transaction(() => {
      const before = this.#live(key, nowMs);
      if (before === undefined) return false;
      this.#edit(key, before, this.#outbox.of(key), patched(sideOfRow(before)), nowMs);
      return true;
    });
  }

  /** @returns whether there was such a memory. */
  delete(key: MemoryKey, nowMs: number): boolean {
    return this.#context.file.transaction(() => {
      const before = this.#live(key, nowMs);
      if (before === undefined) return false;
      const changes = this.#outbox.of(key);
      const isKnownThere =
        before.version > 0 ||
        changes.some(({ frozen, op }) => frozen === 1 || op === "withdraw") ||
        // The hub has a memory of this id: whether this deletion is for it too is to be decided.
        this.#conflicts.pendingOf(key) !== undefined;
      if (!isKnownThere) {
        this.#outbox.removeAll(key);
        this.#memories.remove(key);
        return true;
      }
      this.#keepBase(key, before, changes);
      this.#memories.write(key, ENDED, hubTime(this.#context.facts, nowMs), before);
      // The hub has forgotten it already, or is about to: there is nothing there to delete.
      if (before.sent_privacy === "nothing") this.#removeUnsent(changes);
      else this.#enqueue(key, before, changes, "delete", ENDED, nowMs);
      return true;
    });
  }

  /**
   * Writes a side that a conflict ended with: an edit like any other, on the version of the hub that it was decided on.
   * Within the transaction of the decision.
   */
  overwrite(key: MemoryKey, side: Side, nowMs: number, modifiedAt = nowMs): void {
    const before = this.#memories.find(key);
    this.#memories.write(key, side, modifiedAt + this.#context.facts.number("clock_offset_ms"), before);
    const row = this.#memories.find(key);
    if (row === undefined) return;
    if (side.document === null) this.#enqueue(key, row, [], "delete", ENDED, modifiedAt);
    else this.#send(key, row, this.#outbox.of(key), side, modifiedAt);
  }

  #edit(key: MemoryKey, before: MemoryRow | undefined, changes: OutboxRow[], side: Side, nowMs: number): void {
    if (before !== undefined) this.#keepBase(key, before, changes);
    this.#memories.write(key, side, hubTime(this.#context.facts, nowMs), before);
    this.#send(key, before ?? UNKNOWN_AT_HUB, changes, side, nowMs);
    this.#words.note(1);
  }

  /** Puts into the outbox what of an edit may leave, in the order in which it must. */
  #send(key: MemoryKey, row: KnownAtHub, changes: OutboxRow[], side: Side, nowMs: number): void {
    const { document } = side;
    if (document === null) return;
    const operations = leavingOperations(row.sent_privacy, document.privacy);
    let waiting = changes;
    if (operations.includes("withdraw")) {
      // Sent ones too: their content must not be repeated once the privacy was raised.
      this.#outbox.removeAll(key);
      this.#conflicts.settlePending(key, "local", "a withdrawal wins over every edit", nowMs);
      this.#add(key, row, "withdraw", null, nowMs, false);
      this.#memories.setSent(key, "nothing", true);
      waiting = this.#outbox.of(key);
    }
    if (operations.includes("put")) this.#enqueue(key, row, waiting, "put", side, nowMs);
    else if (!operations.includes("withdraw")) this.#removeUnsent(waiting);
    if (document.privacy === "full" && row.withdrew === 1) {
      this.#memories.setSent(key, this.#memories.find(key)?.sent_privacy ?? "nothing", false);
    }
  }

  #enqueue(
    key: MemoryKey,
    row: KnownAtHub,
    changes: OutboxRow[],
    op: "put" | "delete",
    side: Side,
    nowMs: number,
  ): void {
    const memory = side.document === null ? null : leavingMemory(side.document, side.embedding);
    const last = changes.at(-1);
    if (last !== undefined && last.op !== "withdraw") {
      // A change that was never sent says what is so now. It keeps its base: that is what the edit began with.
      if (last.frozen === 0 && last.status !== "failed") {
        this.#outbox.rewrite(last, op, memory, nowMs);
        return;
      }
      if (last.status === "failed") {
        // The hub refused it, so it is not there. A late copy of it may still arrive: hence a new key.
        this.#outbox.remove(last);
        const baseVersion = last.base_version;
        const newKey = this.#context.facts.nextKey(nowMs, this.#context.random);
        this.#outbox.add(
          key,
          { key: newKey, op, baseVersion, parentKey: last.parent_key, modifiedAt: nowMs, memory },
          nowMs,
        );
        return;
      }
    }
    this.#add(key, row, op, memory, nowMs, changes.length > 0);
  }

  #add(
    key: MemoryKey,
    row: KnownAtHub,
    op: OutboxRow["op"],
    memory: ReturnType<typeof leavingMemory>,
    modifiedAt: number,
    isBehindAnother: boolean,
  ): void {
    const isOfThisEpoch = row.version === 0 || row.epoch === this.#context.facts.get("epoch");
    const newKey = this.#context.facts.nextKey(modifiedAt, this.#context.random);
    const baseVersion = isBehindAnother || !isOfThisEpoch ? null : row.version;
    this.#outbox.add(key, { key: newKey, op, baseVersion, parentKey: row.hub_key, modifiedAt, memory }, modifiedAt);
  }

  /** Keeps the hub's side before a first edit changes the row. */
  #keepBase(key: MemoryKey, before: MemoryRow, changes: readonly OutboxRow[]): void {
    if (before.version === 0 || before.base_json !== null || changes.length > 0) return;
    this.#memories.setBase(key, baseOf(before));
  }

  /** What was sent stays until it is answered, and a withdrawal stays in any case. */
  #removeUnsent(changes: readonly OutboxRow[]): void {
    for (const change of changes) if (change.frozen === 0 && change.op !== "withdraw") this.#outbox.remove(change);
  }

  #live(key: MemoryKey, nowMs: number): MemoryRow | undefined {
    this.#refuseErased(key);
    const row = this.#memories.find(key);
    const hasExpired = row?.expires_at != null && row.expires_at <= hubTime(this.#context.facts, nowMs);
    return row === undefined || row.deleted === 1 || hasExpired ? undefined : row;
  }

  #refuseErased({ namespace, memoryId }: MemoryKey): void {
    const found = this.#context.file.get(
      "select 1 as n from erased where namespace = ? and memory_id = ?",
      namespace,
      memoryId,
    );
    if (found !== undefined) throw new ErasedError(namespace, memoryId);
  }
}
