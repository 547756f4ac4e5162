import { NotFoundError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { HubChange } from "../../hub/protocol/changes.ts";
import { SyncConflictError } from "../errors.ts";
import { type ConflictRow, type Conflicts, localSideOf, remoteOf } from "./conflicts.ts";
import type { FileContext } from "./context.ts";
import { decide } from "./decide.ts";
import type { LocalWrites } from "./local-writes.ts";
import type { Memories } from "./memories.ts";
import type { Outbox } from "./outbox.ts";
import type { RemoteChanges } from "./remote-changes.ts";
import { parseSide, type Side, sameSides, sideOfChange, sideOfRow } from "./side.ts";

/** A decision. `merge` merges both sides field by field. */
export type ChoiceOfConflict = "local" | "remote" | "merge";

/** A side of a conflict, as it was when both were compared. */
export interface ConflictSideView {
  /** Null: deleted there. */
  readonly memory: Side["document"];
  readonly withheld: boolean;
  /** Milliseconds since 1970 by the hub's clock. */
  readonly modifiedAt: number;
  readonly version: number;
}

export interface ConflictView extends MemoryKey {
  readonly id: string;
  readonly state: "pending" | "resolved";
  readonly policy: string;
  readonly resolution: "local" | "remote" | "merged" | null;
  readonly reason: string;
  readonly detectedAt: number;
  readonly resolvedAt: number | null;
  /** The edit that was made here, and the version that it was made on. */
  readonly local: ConflictSideView;
  /** The hub's version. */
  readonly remote: ConflictSideView;
  /** Name of the file with the losing side, in the folder of conflicts; null: there is none. */
  readonly file: string | null;
}

interface ConflictRooms {
  readonly conflicts: Conflicts;
  readonly memories: Memories;
  readonly outbox: Outbox;
  readonly remote: RemoteChanges;
  readonly writes: LocalWrites;
}

/** Conflicts as callers see and decide them. */
export class ConflictViews {
  readonly #context: FileContext;
  readonly #rooms: ConflictRooms;

  constructor(context: FileContext, rooms: ConflictRooms) {
    this.#context = context;
    this.#rooms = rooms;
  }

  /** The newest first. */
  list(which: "pending" | "all", limit: number): ConflictView[] {
    const condition = which === "pending" ? "where state = 'pending'" : "";
    return this.#context.file
      .all<ConflictRow>(`select * from conflicts ${condition} order by detected_at desc, id desc limit ?`, limit)
      .map(viewOf);
  }

  /**
   * Decides a pending conflict. Of a resolved one, brings a side back: as an edit like any other. Within the transaction of
   * the caller.
   * @throws {NotFoundError} @throws {SyncConflictError}
   */
  resolve(id: string, choice: ChoiceOfConflict, nowMs: number): ConflictView {
    const row = this.#rooms.conflicts.find(id);
    if (row === undefined) throw new NotFoundError(`there is no conflict ${id}: see mnemosync edge conflicts`);
    const key = { namespace: row.namespace, memoryId: row.memory_id };
    if (row.state === "pending") this.#decide(key, row, choice, nowMs);
    else this.#bringBack(key, row, choice, nowMs);
    return viewOf(this.#rooms.conflicts.find(id) ?? row);
  }

  #decide(key: MemoryKey, conflict: ConflictRow, choice: ChoiceOfConflict, nowMs: number): void {
    const { memories, outbox, remote, conflicts, writes } = this.#rooms;
    const change = remoteOf(conflict);
    const row = memories.find(key);
    const changes = outbox.of(key);
    if (row === undefined)
      throw new SyncConflictError(`memory ${key.memoryId} is not here any more: nothing is to be decided`);
    if (changes.some(({ op }) => op === "withdraw")) {
      throw new SyncConflictError(`memory ${key.memoryId} was withdrawn here meanwhile, which wins over every edit`);
    }
    const [local, localModifiedAt] = [sideOfRow(row), changes.at(-1)?.modified_at ?? nowMs];
    const side = choice === "merge" ? this.#merged(conflict, local, change) : choice === "local" ? local : null;
    const resolution = choice === "merge" ? "merged" : choice;
    conflicts.keepLocal(conflict.id, local, localModifiedAt + this.#context.facts.number("clock_offset_ms"));
    conflicts.resolve(conflict.id, resolution, `decided by hand: ${choice}`, nowMs);
    outbox.removeAll(key);
    // Of what the hub has already nothing is sent: it would be an edit that nobody made, against what came there since.
    if (side === null || sameSides(side, sideOfChange(change))) {
      remote.adopt(key, row, change);
      return;
    }
    remote.takeAsBase(key, row, change);
    writes.overwrite(key, side, nowMs, choice === "merge" ? nowMs : localModifiedAt);
  }

  #merged(conflict: ConflictRow, local: Side, change: HubChange): Side {
    const base = conflict.base_json === null ? null : parseSide(conflict.base_json, conflict.base_embedding);
    const remote = sideOfChange(change);
    const times = { localModifiedAt: conflict.local_modified_at, remoteModifiedAt: conflict.remote_modified_at };
    const decision = decide("merge", { local, remote, base, ...times });
    return decision.winner === "local" || decision.winner === "merged" ? decision.side : remote;
  }

  #bringBack(key: MemoryKey, conflict: ConflictRow, choice: ChoiceOfConflict, nowMs: number): void {
    if (choice === "merge") {
      throw new SyncConflictError(
        `conflict ${conflict.id} is resolved: choose local or remote to bring that side back`,
      );
    }
    const side = choice === "local" ? localSideOf(conflict) : sideOfChange(remoteOf(conflict));
    if (side.document === null) {
      throw new SyncConflictError(
        `the ${choice} side of conflict ${conflict.id} is a deletion: delete the memory instead`,
      );
    }
    if (side.withheld) throw new SyncConflictError(`the content of the ${choice} side is withheld from this device`);
    this.#rooms.writes.write(key, side, nowMs);
  }
}

function viewOf(row: ConflictRow): ConflictView {
  const local = localSideOf(row);
  const change = remoteOf(row);
  const remote = sideOfChange(change);
  return {
    id: row.id,
    namespace: row.namespace,
    memoryId: row.memory_id,
    state: row.state,
    policy: row.policy,
    resolution: row.resolution,
    reason: row.reason,
    detectedAt: row.detected_at,
    resolvedAt: row.resolved_at,
    local: {
      memory: local.document,
      withheld: local.withheld,
      modifiedAt: row.local_modified_at,
      version: row.base_version,
    },
    remote: {
      memory: remote.document,
      withheld: remote.withheld,
      modifiedAt: change.modifiedAt,
      version: change.version,
    },
    file: row.file,
  };
}
