import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { HubChange } from "../../hub/protocol/changes.ts";
import type { PushAnswer } from "../../hub/protocol/push.ts";
import type { ChangeHead } from "./batches.ts";
import type { FileNotice } from "./context.ts";
import type { ChangeOutcome } from "./remote-changes.ts";

/** A change that a sync took up to the hub, or brought down from it. */
export interface SyncedChange extends MemoryKey {
  readonly op: "put" | "delete" | "withdraw" | "erase";
  /**
   * - `applied`: the other side has it.
   * - `conflict`: both sides had changed the memory. `note` says what counts now.
   * - `failed`: the hub does not take it. `retry`: it does not take it now.
   * - `waiting`: it came down, and waits for the answer to an edit that was sent.
   */
  readonly outcome: "applied" | "conflict" | "failed" | "retry" | "waiting";
  /** Of the memory at the hub; null: not known. */
  readonly version: number | null;
  /** Null where there is nothing to say. */
  readonly note: string | null;
}

/** What became of a push, one change after the other; those that are sent again at once, on another base, are left out. */
export function changesUp(
  changes: readonly ChangeHead[],
  answers: readonly PushAnswer[],
  notices: readonly FileNotice[],
): SyncedChange[] {
  const noticed = noticesByKey(notices);
  return changes.flatMap(({ namespace, memoryId, op }, index): SyncedChange[] => {
    const answer = answers[index];
    const change = { namespace, memoryId, op };
    if (answer === undefined) return [];
    if ("version" in answer) return [{ ...change, outcome: "applied", version: answer.version, note: null }];
    const notice = noticed.get(keyText(change));
    const version = answer.status === "conflict" ? (answer.current?.version ?? null) : null;
    if (notice !== undefined) return [{ ...change, version, ...told(notice) }];
    if (answer.status === "conflict") return [];
    const outcome = answer.status === "retry" ? "retry" : "failed";
    return [{ ...change, outcome, version, note: `${answer.code}: ${answer.message}` }];
  });
}

/** A pulled change, as people are told of it; null where it was no news: an echo of what went up, or an older version. */
export function changeDown(
  change: HubChange,
  outcome: ChangeOutcome,
  notice: FileNotice | undefined,
): SyncedChange | null {
  if (outcome === "stale") return null;
  const { namespace, memoryId, version } = change;
  const op = change.kind === "put" ? "put" : change.reason === "erased" ? "erase" : ENDINGS[change.kind];
  const note = outcome === "waiting" ? "behind the answer to an edit that was sent" : null;
  return { namespace, memoryId, op, outcome, version, note, ...(outcome === "conflict" && notice && told(notice)) };
}

const ENDINGS = { deleted: "delete", withdrawn: "withdraw" } as const;

function noticesByKey(notices: readonly FileNotice[]): ReadonlyMap<string, FileNotice> {
  return new Map(notices.map((notice) => [keyText(notice.key), notice]));
}

function told(notice: FileNotice): Pick<SyncedChange, "outcome" | "note"> {
  switch (notice.kind) {
    case "conflict":
      return { outcome: "conflict", note: `${RESOLUTIONS[notice.resolution]}: ${notice.reason}` };
    case "failed":
      return { outcome: "failed", note: `${notice.code}: ${notice.message}` };
    case "erased":
      return { outcome: "failed", note: "erased at the hub: nothing is kept of it here" };
    case "offered_again":
      return { outcome: "waiting", note: "the hub lost an edit that it had: it is sent again" };
  }
}

const RESOLUTIONS = {
  local: "the edit here counts",
  remote: "the hub's side counts",
  merged: "both were merged",
  pending: "it awaits a decision",
} as const;
