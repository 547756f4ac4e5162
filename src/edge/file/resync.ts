import { hostname } from "node:os";
import { ulid } from "ulid";
import type { HubIdentity } from "../../hub/protocol/identity.ts";
import { leavingMemory } from "../../hub/protocol/privacy.ts";
import type { FileContext, FileNotice } from "./context.ts";
import type { Inbox } from "./inbox.ts";
import type { Memories, MemoryRow } from "./memories.ts";
import type { Outbox } from "./outbox.ts";
import { sideOfRow } from "./side.ts";

/** Why everything is read anew. */
export type ResyncCause = "epoch" | "tombstones" | "asked" | "rescued";

/**
 * Reading everything anew. It begins with a generation; each memory that a page tells of is marked with it; when the hub has
 * told all, memories without the mark are those that it no longer has. Edits that were not sent are never touched.
 */
export class Resync {
  readonly #context: FileContext;
  readonly #memories: Memories;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;

  constructor(context: FileContext, memories: Memories, outbox: Outbox, inbox: Inbox) {
    this.#context = context;
    this.#memories = memories;
    this.#outbox = outbox;
    this.#inbox = inbox;
  }

  /**
   * Takes what the hub says of itself. Within the transaction of the caller.
   * @returns whether this file is a device of another name from now on: the hub knows more settled keys of it than the file
   *   does, so it has spoken with a copy of the file.
   */
  meet(identity: HubIdentity, nowMs: number): boolean {
    const { facts, random } = this.#context;
    facts.set("clock_offset_ms", Math.round(identity.now - nowMs));
    const { device, settledThrough } = identity.device;
    const isCopy = (settledThrough ?? "") > (facts.get("settled_floor") ?? "") && device === facts.get("device");
    if (isCopy) {
      facts.set("device", newDevice(nowMs, random));
      facts.set("settled_floor", null);
      this.begin("asked", identity.epoch, nowMs);
      return true;
    }
    if (facts.get("epoch") === identity.epoch) return false;
    const isFirst = facts.get("epoch") === null && facts.get("cursor") === null;
    if (isFirst) facts.set("epoch", identity.epoch);
    else this.begin("epoch", identity.epoch, nowMs);
    // The floor that the hub went back to: with the one of before, it would refuse the edits that it lost as settled.
    facts.set("settled_floor", settledThrough);
    return false;
  }

  /** @param epoch of the hub now. Within the transaction of the caller. */
  begin(cause: ResyncCause, epoch: string | null, nowMs: number): void {
    const { facts, file } = this.#context;
    const before = facts.get("epoch");
    facts.set("cursor", null);
    facts.set("resync_generation", facts.number("resync_generation") + 1);
    facts.set("resync_reason", cause);
    if (epoch === null || epoch === before) return;
    facts.set("epoch", epoch);
    if (before === null) return;
    // Versions of the old epoch name nothing in the new one: 1 of the one may be another memory's state than 1 of the other.
    file.run("update outbox set base_version = null");
    // The side of the hub that an edit awaited a decision on may be gone: the edit meets what is there now.
    file.run("update outbox set status = 'pending' where status = 'held'");
    file.run("delete from conflicts where state = 'pending'");
    this.#inbox.dropWaiting();
    this.#withdrawAgain(nowMs);
  }

  /** The hub may have the content again that was withdrawn. */
  #withdrawAgain(nowMs: number): void {
    const { facts, file, random } = this.#context;
    const rows = file.all<MemoryRow>("select * from memories where withdrew = 1");
    for (const row of rows) {
      const key = { namespace: row.namespace, memoryId: row.memory_id };
      const waiting = this.#outbox.of(key);
      if (waiting.some(({ op }) => op === "withdraw")) continue;
      this.#outbox.removeAll(key);
      const newKey = facts.nextKey(nowMs, random);
      const modifiedAt = nowMs;
      this.#outbox.add(
        key,
        { key: newKey, op: "withdraw", baseVersion: null, parentKey: row.hub_key, modifiedAt, memory: null },
        nowMs,
      );
      this.#memories.setSent(key, "nothing");
      if (row.privacy !== "redacted" || row.deleted === 1) continue;
      const side = sideOfRow(row);
      if (side.document === null) continue;
      const memory = leavingMemory(side.document, side.embedding);
      const putKey = facts.nextKey(nowMs, random);
      this.#outbox.add(
        key,
        { key: putKey, op: "put", baseVersion: null, parentKey: newKey, modifiedAt, memory },
        nowMs,
      );
    }
  }

  /**
   * Sends an edit again that the hub had acknowledged, under its key: where the hub did not lose it, it says so, and the edit
   * is not written twice.
   */
  offerAgain(row: MemoryRow, nowMs: number, notices: FileNotice[]): void {
    if (row.own_key === null) return;
    const key = { namespace: row.namespace, memoryId: row.memory_id };
    const { document, embedding } = sideOfRow(row);
    this.#outbox.add(
      key,
      {
        key: row.own_key,
        op: document === null ? "delete" : "put",
        baseVersion: null,
        parentKey: row.own_parent_key,
        modifiedAt: row.modified_at - this.#context.facts.number("clock_offset_ms"),
        memory: document === null ? null : leavingMemory(document, embedding),
      },
      nowMs,
    );
    // It was sent under its key: a later edit must not change it, or one key would name two contents.
    this.#context.file.run("update outbox set frozen = 1 where key = ?", row.own_key);
    notices.push({ kind: "offered_again", key });
  }

  /** Sends a memory whose last version was another device's, as an edit of its own. */
  #offerAnew(row: MemoryRow, nowMs: number, notices: FileNotice[]): void {
    const { facts, random } = this.#context;
    this.offerAgain({ ...row, own_key: facts.nextKey(nowMs, random), own_parent_key: row.hub_key }, nowMs, notices);
  }

  /** The hub has told all. Within the transaction of the last page. */
  finish(nowMs: number, notices: FileNotice[]): void {
    const { facts, file } = this.#context;
    if (facts.get("resync_reason") === null) return;
    const generation = facts.number("resync_generation");
    const epoch = facts.get("epoch");
    const unseen = file.all<MemoryRow>(
      `select * from memories memory where seen <> ? and version > 0 and privacy <> 'local_only' and not exists (
         select 1 from outbox where namespace = memory.namespace and memory_id = memory.memory_id)`,
      generation,
    );
    for (const row of unseen) {
      const isLost = row.epoch !== epoch && row.own_key !== null && row.own_key === row.hub_key && row.deleted === 0;
      // Its content is here alone: the last editor of what the hub showed of it cannot bring it back whole.
      const isOrigin = row.epoch !== epoch && row.privacy === "redacted" && row.withheld === 0 && row.deleted === 0;
      if (isLost) this.offerAgain(row, nowMs, notices);
      else if (isOrigin) this.#offerAnew(row, nowMs, notices);
      else this.#memories.remove({ namespace: row.namespace, memoryId: row.memory_id });
    }
    facts.set("resync_reason", null);
  }

  /** Memories of a namespace that the key may no longer see are forgotten. Unsent edits are kept. */
  forgetOtherNamespaces(namespaces: readonly string[] | null): void {
    const { facts, file } = this.#context;
    const told = namespaces === null ? null : JSON.stringify([...namespaces].sort());
    if (facts.get("namespaces") === told) return;
    facts.set("namespaces", told);
    if (told === null) return;
    file.run(
      `delete from memories where version > 0 and privacy <> 'local_only'
         and namespace not in (select value from json_each(?)) and not exists (
           select 1 from outbox where namespace = memories.namespace and memory_id = memories.memory_id)`,
      told,
    );
  }
}

/** Readable in a list, and unique. */
export function newDevice(nowMs: number, random: () => number): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9-]/g, "-")
    .slice(0, 30);
  return `${name || "edge"}-${ulid(nowMs, random)}`;
}
