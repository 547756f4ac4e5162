import { join } from "node:path";
import { DEFAULT_NAMESPACE, type MemoryKey } from "../../domain/keys.ts";
import type { ConflictView, EdgeStatus, SyncedChanges, SyncReport } from "../../edge/index.ts";
import { type Column, columns } from "../columns.ts";
import { count, counted, printable } from "../output.ts";

const CONTENT_WIDTH = 60;

/** Three lines, in the shape that people know. */
export function statusText(status: EdgeStatus, nowMs: number): string {
  const since = (time: number | null) => (time === null ? "never" : `${age(nowMs - time)} ago`);
  const oldest = status.oldestPendingMs === null ? "" : `, oldest ${age(status.oldestPendingMs)}`;
  const size = status.pending === 0 ? "" : ` (${bytesText(status.pendingBytes)}${oldest})`;
  const lag = status.lagMs === null ? "" : `    lag ${(status.lagMs / 1_000).toFixed(1)} s`;
  return [
    `Mode: ${status.mode.padEnd(13)} Last push: ${since(status.lastPushAt).padEnd(11)} Last pull: ${since(status.lastPullAt)}`,
    `Local to hub        pending ${count(status.pending)}${size}   failed ${count(status.failed)}   synced today ${count(status.syncedToday)}`,
    `Hub to local        downloaded today ${count(status.downloadedToday)}${lag}`,
    ...(status.conflicts > 0
      ? [
          `Conflicts           ${count(status.conflicts)} ${status.conflicts === 1 ? "awaits" : "await"} a decision: mnemosync edge conflicts`,
        ]
      : []),
    ...(status.resync === null ? [] : [`Resync              everything is read anew (${status.resync})`]),
    ...(status.reason === null ? [] : [`Reason              ${printable(status.reason)}`]),
  ].join("\n");
}

/** Changes of each direction that are printed one by one. */
const LINES_MAX = 20;

/** The sum of what went up and what came down, and a line for each change. */
export function syncText(report: SyncReport): string {
  const { up, down, conflicts, failed, pending } = report;
  const sum = `${counted(up.count, "change")} up, ${counted(down.count, "change")} down; ${counted(conflicts, "conflict")}, ${count(failed)} failed, ${count(pending)} pending`;
  const rows = [...syncRows("up", up), ...syncRows("down", down)];
  if (rows.length === 0) return sum;
  const heads: Column[] = [{ head: "" }, { head: "memory", whole: true }, { head: "change" }];
  heads.push({ head: "version", align: "right" }, { head: "outcome" });
  return `${sum}\n${columns(heads, rows, { overflow: "wrap" })}`;
}

function syncRows(direction: string, { count: all, changes }: SyncedChanges): string[][] {
  const shown = changes
    .slice(0, LINES_MAX)
    .map((change) => [
      ...[direction, nameOf(change), change.op, change.version === null ? "" : count(change.version)],
      change.note === null ? change.outcome : `${change.outcome}: ${change.note}`,
    ]);
  const more = all - shown.length;
  return more === 0 ? shown : [...shown, [direction, `and ${count(more)} more`, "", "", ""]];
}

/** The namespace too where it is not the usual one. */
export function nameOf({ namespace, memoryId }: MemoryKey): string {
  return namespace === DEFAULT_NAMESPACE ? printable(memoryId) : `${printable(memoryId)} (${namespace})`;
}

/** Each conflict with both versions, their ages, the resolution, and where the losing side is kept. @param folder of its files. */
export function conflictText(conflicts: readonly ConflictView[], nowMs: number, folder: string): string {
  return conflicts
    .map((conflict) => {
      const { local, remote } = conflict;
      const resolution =
        conflict.resolution ?? `pending: mnemosync edge conflicts resolve ${conflict.id} local|remote|merge`;
      return [
        `${printable(conflict.memoryId)} (${conflict.namespace})   conflict ${conflict.id}`,
        `  here        on version ${local.version}, ${age(nowMs - local.modifiedAt)} old: ${contentOf(local)}`,
        `  hub         version ${remote.version}, ${age(nowMs - remote.modifiedAt)} old: ${contentOf(remote)}`,
        `  resolution  ${resolution} (${conflict.reason})`,
        `  original    ${conflict.file ? join(folder, conflict.file) : "in the edge's file"}`,
      ].join("\n");
    })
    .join("\n\n");
}

function contentOf({ memory, withheld }: ConflictView["local"]): string {
  if (memory === null) return "deleted";
  return withheld ? "(withheld)" : printable(memory.content, CONTENT_WIDTH);
}

/** `2 s`, `5 min`, `3 h`, `40 d`. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
