import type { ChangesPage, HubChange } from "../../hub/protocol/changes.ts";
import type { Answers } from "./answers.ts";
import type { FileContext, FileNotice } from "./context.ts";
import { type HeldPage, HeldPages } from "./held-pages.ts";
import type { Inbox } from "./inbox.ts";
import type { Memories, MemoryRow } from "./memories.ts";
import { mayBeApplied, type Outbox, type OutboxRow } from "./outbox.ts";
import type { ChangeOutcome, RemoteChanges } from "./remote-changes.ts";
import type { Resync } from "./resync.ts";
import { sameSides, sideOfChange, sideOfRow } from "./side.ts";
import { changeDown, type SyncedChange } from "./synced-change.ts";
import type { Words } from "./words.ts";

export interface PageResult {
  readonly changes: number;
  readonly conflicts: number;
  /** Changes that were news here: neither echoes of what went up nor older versions. */
  readonly news: number;
  /** The first of them, where they were asked for. */
  readonly told: readonly SyncedChange[];
  /** Whether the page was left alone: the file has another cursor or epoch by now. */
  readonly dropped: boolean;
  readonly notices: readonly FileNotice[];
}

/** How a page was asked for. */
export interface AskedPage {
  readonly cursor: string | null;
  readonly tellMax: number;
}

interface PageRooms {
  readonly memories: Memories;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly answers: Answers;
  readonly remote: RemoteChanges;
  readonly resync: Resync;
  readonly words: Words;
}

/** Pages of the hub's changes: received, applied and the cursor moved, in one transaction. */
export class Pages {
  readonly #context: FileContext;
  readonly #rooms: PageRooms;
  readonly #held = new HeldPages();

  constructor(context: FileContext, rooms: PageRooms) {
    this.#context = context;
    this.#rooms = rooms;
  }

  /** @throws {HubError} */
  read(bytes: Uint8Array): HeldPage {
    return this.#held.read(bytes);
  }

  /**
   * @param asked.cursor with which the page was asked for. @param asked.tellMax changes that are told of, at most.
   * @param mayWrite throws where another process syncs by now.
   */
  apply(given: ChangesPage, asked: AskedPage, nowMs: number, today: string, mayWrite: () => void): PageResult {
    const { facts, file } = this.#context;
    const page = this.#held.take(given);
    return file.transaction(() => {
      mayWrite();
      const notices: FileNotice[] = [];
      // A page of a request that was on its way while the cursor moved, or the epoch changed.
      if (page === null || facts.get("cursor") !== asked.cursor || facts.get("epoch") !== page.epoch) {
        return { changes: 0, conflicts: 0, news: 0, told: [], dropped: true, notices };
      }
      facts.set("clock_offset_ms", Math.round(page.now - nowMs));
      this.#rooms.resync.forgetOtherNamespaces(page.namespaces);
      const told: SyncedChange[] = [];
      const outcomes: ChangeOutcome[] = [];
      const isResync = facts.get("resync_reason") !== null;
      for (const change of page.changes) {
        const before = notices.length;
        const outcome = this.#applyOne(change, nowMs, notices);
        // Afterwards, as the row may be new. What was not told of by the end of a resync goes.
        if (isResync) this.#rooms.memories.setSeen(change, facts.number("resync_generation"));
        outcomes.push(outcome);
        const news = told.length < asked.tellMax ? changeDown(change, outcome, notices[before]) : null;
        if (news !== null) told.push(news);
      }
      this.#rooms.inbox.note(page.changes, outcomes, nowMs);
      this.#rooms.inbox.prune();
      this.#rooms.words.note(page.changes.length);
      facts.set("cursor", page.cursor);
      facts.set("last_pull_at", nowMs);
      const last = page.changes.at(-1);
      if (last !== undefined) facts.set("lag_ms", Math.max(0, page.now - last.modifiedAt));
      if (page.complete) this.#rooms.resync.finish(nowMs, notices);
      const conflicts = outcomes.filter((outcome) => outcome === "conflict").length;
      const news = outcomes.filter((outcome) => outcome !== "stale").length;
      facts.count(today, "downloaded", news);
      return { changes: page.changes.length, conflicts, news, told, dropped: false, notices };
    });
  }

  #applyOne(change: HubChange, nowMs: number, notices: FileNotice[]): ChangeOutcome {
    const { memories, outbox, inbox, answers, remote } = this.#rooms;
    if (change.kind === "deleted" && change.reason === "erased") {
      const known = memories.find(change) !== undefined || outbox.of(change).length > 0;
      answers.purge({ namespace: change.namespace, memoryId: change.memoryId }, nowMs, notices);
      if (!known) notices.pop(); // Nothing was here: no news.
      return "applied";
    }
    const row = memories.find(change);
    const [head] = outbox.of(change);
    if (head !== undefined && head.key === change.key) {
      // The echo came before the answer: it says the same.
      answers.settle(head, change.version, change.modifiedAt);
      return "applied";
    }
    const isSameEpoch = row?.epoch === this.#context.facts.get("epoch");
    if (row !== undefined && isSameEpoch && change.version <= row.version) return this.#stale(row, head, change);
    if (row !== undefined && head === undefined) return this.#applyUnopposed(row, isSameEpoch, change, nowMs, notices);
    if (row === undefined || head === undefined) {
      remote.adopt(change, row, change);
      return "applied";
    }
    // One waits already where an edit is offered again: whether the hub lost it shows in the answer.
    if (mayBeApplied(head) || inbox.isWaiting(change)) {
      inbox.wait(change, nowMs);
      return "waiting";
    }
    return remote.meet(row, head, change, nowMs, notices);
  }

  /** Its own echo brings what the hub added: the corrected time, and a vector that its embedder made. */
  #stale(row: MemoryRow, head: OutboxRow | undefined, change: HubChange): ChangeOutcome {
    const isLeaving = change.kind === "withdrawn" && change.device !== this.#context.facts.get("device");
    if (isLeaving && head === undefined && row.privacy !== "local_only") {
      this.#rooms.remote.adopt(change, row, change);
      return "applied";
    }
    const isEcho = change.version === row.version && change.kind === "put" && head === undefined && row.deleted === 0;
    if (!isEcho) return "stale";
    if (change.modifiedAt === row.modified_at && !this.#addsVector(row, change)) return "stale";
    if (row.privacy === change.memory.privacy) this.#rooms.remote.adopt(change, row, change);
    return "stale";
  }

  #addsVector(row: MemoryRow, change: HubChange): boolean {
    return row.embedding === null && row.withheld === 0 && sideOfChange(change).embedding !== null;
  }

  /** No edit waits here. */
  #applyUnopposed(
    row: MemoryRow,
    isSameEpoch: boolean,
    change: HubChange,
    nowMs: number,
    notices: FileNotice[],
  ): ChangeOutcome {
    const { inbox, remote, resync } = this.#rooms;
    if (row.privacy === "local_only" && row.deleted === 0) return remote.meetPrivate(row, change, nowMs, notices);
    const isOwnHead = row.own_key !== null && row.own_key === row.hub_key;
    if (!isSameEpoch && isOwnHead && row.version > 0 && change.key !== row.own_key) {
      // The hub went back, and shows another version than the edit that it acknowledged: it may have lost it.
      if (!sameSides(sideOfRow(row), sideOfChange(change))) {
        resync.offerAgain(row, nowMs, notices);
        inbox.wait(change, nowMs);
        return "waiting";
      }
    }
    remote.adopt(change, row, change);
    return "applied";
  }
}
