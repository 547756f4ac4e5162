import type { MemoryKey } from "../../domain/keys.ts";
import type { HubChange, HubPut } from "../../hub/protocol/changes.ts";
import { onRedacted } from "../../hub/protocol/privacy.ts";
import type { Conflicts } from "./conflicts.ts";
import type { FileContext, FileNotice } from "./context.ts";
import { type Decision, decide } from "./decide.ts";
import type { LocalWrites } from "./local-writes.ts";
import { baseOf, type HubFacts, type Memories, type MemoryRow } from "./memories.ts";
import type { Outbox, OutboxRow } from "./outbox.ts";
import { ENDED, type Side, sameSides, sideOfChange, sideOfRow, sideOfWire, withVisible } from "./side.ts";

/** What a change of the hub did here. */
export type ChangeOutcome = "applied" | "stale" | "conflict" | "waiting";

/**
 * States of the hub, as a page or an answer tells them, against what is here. All methods run in the transaction of their
 * caller, which adds up the notices.
 */
export class RemoteChanges {
  readonly #context: FileContext;
  readonly #memories: Memories;
  readonly #outbox: Outbox;
  readonly #conflicts: Conflicts;
  readonly #writes: LocalWrites;

  constructor(context: FileContext, memories: Memories, outbox: Outbox, conflicts: Conflicts, writes: LocalWrites) {
    this.#context = context;
    this.#memories = memories;
    this.#outbox = outbox;
    this.#conflicts = conflicts;
    this.#writes = writes;
  }

  /** Makes the memory here what the hub has. Nothing here waits for the hub. */
  adopt(key: MemoryKey, row: MemoryRow | undefined, change: HubChange): void {
    this.#context.file.run("delete from erased where namespace = ? and memory_id = ?", key.namespace, key.memoryId);
    if (change.kind !== "put") {
      if (change.kind === "withdrawn" || change.reason === "withdrawn") this.#conflicts.withhold(key);
      this.#memories.remove(key);
      return;
    }
    const side = this.#adoptedSide(key, row, change);
    this.#memories.writeAsHub(key, side, row, {
      modifiedAt: change.modifiedAt,
      hub: this.#hubFacts(row, change),
      sent: change.memory.privacy,
      withdrew: change.memory.privacy === "full" ? false : undefined,
      seen: this.#context.facts.number("resync_generation"),
    });
  }

  #adoptedSide(key: MemoryKey, row: MemoryRow | undefined, change: HubPut): Side {
    const told = sideOfWire(change.memory);
    const holdsContent = row !== undefined && row.deleted === 0 && row.withheld === 0;
    if (!told.withheld || !holdsContent || told.document === null) return told;
    // What is redacted here and has its content was never at the hub: this is its only copy, whatever device the hub names.
    const isOrigin = row.privacy === "redacted";
    if (isOrigin || onRedacted(change) === "keep") return withVisible(sideOfRow(row), told.document);
    // Its origin withholds the content from now on: what was kept of it here goes too.
    this.#conflicts.withhold(key);
    return told;
  }

  #hubFacts(row: MemoryRow | undefined, change: HubChange): HubFacts {
    const isOwn = change.key !== null && change.device === this.#context.facts.get("device");
    return {
      version: change.version,
      epoch: this.#context.facts.get("epoch"),
      hubKey: change.key,
      ownKey: isOwn ? change.key : null,
      ownParentKey: isOwn && row?.own_key === change.key ? row.own_parent_key : null,
    };
  }

  /**
   * Decides between the edit that waits here and the hub's state, or finds that there is nothing to decide.
   * @param head the first change of the memory in the outbox. It is not on its way.
   */
  meet(row: MemoryRow, head: OutboxRow, change: HubChange, nowMs: number, notices: FileNotice[]): ChangeOutcome {
    const key = { namespace: row.namespace, memoryId: row.memory_id };
    if (head.op === "withdraw")
      return this.#rebase(key, row, change, "a withdrawal wins over every edit", nowMs, notices);
    // Before anything else: on a withdrawal by another device nothing can be put, whatever the edit was made on.
    const isWithdrawn = change.kind === "withdrawn" || (change.kind === "deleted" && change.reason === "withdrawn");
    if (isWithdrawn && !this.#isOwn(change)) {
      const decision: Decision = {
        winner: "remote",
        reason: "its origin withdrew the memory, which wins over every edit",
      };
      return this.#settle(key, row, head, change, decision, nowMs, notices);
    }
    if (this.#isAncestor(row, head, change)) return this.#rebase(key, row, change, null, nowMs, notices);
    const [local, remote] = [sideOfRow(row), sideOfChange(change)];
    if (sameSides(local, remote) || this.#sameAsRedacted(local, change)) {
      this.#dropEdit(key);
      this.adopt(key, this.#memories.find(key), change);
      return "applied";
    }
    if (
      change.kind === "put" &&
      change.memory.privacy === "redacted" &&
      !change.holder &&
      !local.withheld &&
      local.document?.privacy !== "redacted" &&
      row.version > 0
    ) {
      const decision: Decision = {
        winner: "remote",
        reason: "its origin withheld the content, which wins over every edit",
      };
      return this.#settle(key, row, head, change, decision, nowMs, notices);
    }
    const decision = decide(this.#context.settings.conflictPolicy, {
      local,
      localModifiedAt: this.#localTime(row, head),
      remote,
      remoteModifiedAt: change.modifiedAt,
      base: row.epoch === this.#context.facts.get("epoch") ? baseOf(row) : null,
    });
    return this.#settle(key, row, head, change, decision, nowMs, notices);
  }

  /** A memory that never leaves, where the hub has one of the same id: both stay as they are, and the hub's is kept aside. */
  meetPrivate(row: MemoryRow, change: HubChange, nowMs: number, notices: FileNotice[]): ChangeOutcome {
    const key = { namespace: row.namespace, memoryId: row.memory_id };
    if (change.kind !== "put" || change.device === this.#context.facts.get("device")) return "stale";
    const known = this.#context.file.get(
      "select 1 as n from conflicts where namespace = ? and memory_id = ? and remote_version = ?",
      key.namespace,
      key.memoryId,
      change.version,
    );
    if (known !== undefined) return "stale";
    const reason = "the memory here is local_only, and the hub has another one of the same id";
    this.#record(key, row, row.modified_at, change, "local", reason, nowMs, notices);
    return "conflict";
  }

  #settle(
    key: MemoryKey,
    row: MemoryRow,
    head: OutboxRow,
    change: HubChange,
    decision: Decision,
    nowMs: number,
    notices: FileNotice[],
  ): ChangeOutcome {
    // The answer to the push told it, and the pull tells it again: the conflict that is open keeps its id.
    if (decision.winner === "pending" && head.status === "held" && this.#conflicts.isOpen(key, change)) return "stale";
    const resolution = decision.winner === "pending" ? null : decision.winner;
    this.#record(key, row, this.#localTime(row, head), change, resolution, decision.reason, nowMs, notices);
    if (decision.winner === "pending") {
      this.#hold(key);
      return "conflict";
    }
    this.#dropEdit(key);
    if (decision.winner === "remote") {
      this.adopt(key, this.#memories.find(key), change);
      return "conflict";
    }
    this.takeAsBase(key, row, change);
    const modifiedAt = decision.winner === "merged" ? nowMs : head.modified_at;
    this.#writes.overwrite(key, decision.side, nowMs, modifiedAt);
    return "conflict";
  }

  /** The hub's state becomes the base; what is here stays, and is sent on top of it. */
  #rebase(
    key: MemoryKey,
    row: MemoryRow,
    change: HubChange,
    lost: string | null,
    nowMs: number,
    notices: FileNotice[],
  ): ChangeOutcome {
    if (lost !== null && change.kind === "put" && !this.#isOwn(change)) {
      this.#record(key, row, row.modified_at, change, "local", lost, nowMs, notices);
    }
    this.takeAsBase(key, row, change);
    const [head] = this.#outbox.of(key);
    if (head !== undefined) this.#outbox.rebase(head, change.version, change.key);
    return "applied";
  }

  /** The hub's state becomes what the edit here is made on. */
  takeAsBase(key: MemoryKey, row: MemoryRow, change: HubChange): void {
    const told = sideOfChange(change);
    this.#memories.setBase(key, told);
    this.#memories.setHub(key, this.#hubFacts(row, change));
    if (change.kind === "put" && row.sent_privacy === "nothing" && row.withdrew === 0) {
      this.#memories.setSent(key, change.memory.privacy);
    }
  }

  /** Whether the change is one that the edit here was made on: its own line, seen late or after the hub went back. */
  #isAncestor(row: MemoryRow, head: OutboxRow, change: HubChange): boolean {
    if (this.#isOwn(change)) return true;
    return change.key !== null && [head.parent_key, row.hub_key, row.own_key, row.own_parent_key].includes(change.key);
  }

  #isOwn(change: HubChange): boolean {
    return change.device !== null && change.device === this.#context.facts.get("device");
  }

  /** A holder's memory whose visible fields the hub has, and whose content it must not have. */
  #sameAsRedacted(local: Side, change: HubChange): boolean {
    if (change.kind !== "put" || change.memory.privacy !== "redacted" || local.document?.privacy !== "redacted")
      return false;
    return change.holder && sameSides({ ...local, withheld: true }, sideOfWire(change.memory));
  }

  #localTime(row: MemoryRow, head: OutboxRow): number {
    const last = this.#outbox.of({ namespace: row.namespace, memoryId: row.memory_id }).at(-1) ?? head;
    return last.modified_at + this.#context.facts.number("clock_offset_ms");
  }

  #dropEdit(key: MemoryKey): void {
    this.#outbox.removeAll(key);
    this.#conflicts.dropPending(key);
  }

  /** One change is left, which awaits the decision: the latest one says all. */
  #hold(key: MemoryKey): void {
    const changes = this.#outbox.of(key);
    for (const change of changes.slice(0, -1)) this.#outbox.remove(change);
    const last = changes.at(-1);
    if (last !== undefined) this.#outbox.setStatus(last, "held");
  }

  #record(
    key: MemoryKey,
    row: MemoryRow,
    localModifiedAt: number,
    remote: HubChange,
    resolution: "local" | "remote" | "merged" | null,
    reason: string,
    nowMs: number,
    notices: FileNotice[],
  ): void {
    const state = resolution === null ? "pending" : "resolved";
    const policy = this.#context.settings.conflictPolicy;
    const base = baseOf(row);
    const local = row.deleted === 1 ? ENDED : sideOfRow(row);
    const conflict = {
      key,
      state,
      policy,
      resolution,
      reason,
      baseVersion: row.version,
      base,
      local,
      localModifiedAt,
      remote,
    } as const;
    const conflictId = this.#conflicts.add(conflict, nowMs);
    notices.push({ kind: "conflict", key, conflictId, policy, resolution: resolution ?? "pending", reason });
  }
}
