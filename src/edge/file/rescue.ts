import { existsSync, renameSync } from "node:fs";
import { EdgeFileError } from "../errors.ts";
import type { SqlValue } from "../sqlite/database.ts";
import { Facts } from "./facts.ts";
import type { SqlFile } from "./sql-file.ts";

/** What was saved out of a damaged file. */
export interface Rescue {
  /** Where the damaged file is now. */
  readonly setAside: string;
  readonly memories: number;
  readonly changes: number;
  readonly conflicts: number;
  /** Whether some rows could not be read. What they held is in the file that was set aside, if anywhere. */
  readonly incomplete: boolean;
}

/**
 * Puts a damaged file aside, under its name with the time.
 * @returns its new path.
 */
export function setAside(path: string, nowMs: number): string {
  const target = `${path}.damaged-${new Date(nowMs).toISOString().replace(/[:.]/g, "-")}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  }
  return target;
}

/** Facts that stay true without the rest of the file. The cursor is none: everything is read anew. */
const KEPT_FACTS = ["device", "epoch", "last_key", "settled_floor", "clock_offset_ms", "paused"] as const;

/**
 * Copies what exists nowhere else out of a damaged file into a new one: unsent changes with their memories, memories that
 * never leave, conflicts, and the names and keys that make a repeated change count once.
 */
export function rescueInto(file: SqlFile, damaged: SqlFile, aside: string): Rescue {
  let incomplete = false;
  const note = () => {
    incomplete = true;
  };
  return file.transaction(() => {
    const facts = new Facts(file);
    for (const row of readable<{ name: string; value: string }>(damaged, "facts", "name", note)) {
      if ((KEPT_FACTS as readonly string[]).includes(row.name)) facts.set(row.name as "device", row.value);
    }
    const outbox = readable<Record<string, SqlValue>>(damaged, "outbox", "seq", note);
    const waiting = new Set(outbox.map(keyOf));
    const memories = readable<Record<string, SqlValue>>(damaged, "memories", "row", note).filter(
      (row) => waiting.has(keyOf(row)) || row.privacy === "local_only" || row.withdrew === 1,
    );
    const conflicts = readable<Record<string, SqlValue>>(damaged, "conflicts", "id", note);
    const copied = {
      memories: copy(file, "memories", memories, note),
      changes: copy(file, "outbox", outbox, note),
      conflicts: copy(file, "conflicts", conflicts, note),
    };
    copy(file, "erased", readable(damaged, "erased", "namespace", note), note);
    copy(file, "connectors", definitions(damaged), note);
    // Where the fact itself was lost: a new key must be greater than every key that may have been used.
    const greatest = outbox
      .map(({ key }) => String(key))
      .sort()
      .at(-1);
    if (greatest !== undefined && (facts.get("last_key") ?? "") < greatest) facts.set("last_key", greatest);
    const rescue: Rescue = { setAside: aside, ...copied, incomplete };
    facts.set("rescued", JSON.stringify(rescue));
    facts.set("resync_reason", "rescued");
    facts.set("resync_generation", 1);
    return rescue;
  });
}

/** What connectors knew of items is not copied: they read everything anew, and write nothing twice. A file from before them has none. */
function definitions(damaged: SqlFile): object[] {
  const rows = readable<{ id: string; definition: string | null }>(damaged, "connectors", "id", () => undefined);
  return rows.map(({ id, definition }) => ({ id, definition, touched_at: 0 }));
}

function keyOf(row: Record<string, SqlValue>): string {
  return `${row.namespace}\u0000${row.memory_id}`;
}

/** Every row that can be read, from both ends: a damaged page ends a scan, and rows behind it can often be read backwards. */
function readable<Row extends object>(damaged: SqlFile, table: string, order: string, note: () => void): Row[] {
  const found = new Map<string, Row>();
  for (const direction of ["asc", "desc"]) {
    try {
      for (const row of damaged.iterate<Row>(`select * from ${table} order by ${order} ${direction}`)) {
        const identity = JSON.stringify([
          (row as Record<string, unknown>)[order],
          (row as Record<string, unknown>).memory_id,
        ]);
        if (found.has(identity)) break;
        found.set(identity, row);
      }
      if (direction === "asc") return [...found.values()];
    } catch {
      note();
    }
  }
  return [...found.values()];
}

function copy(file: SqlFile, table: string, rows: readonly object[], note: () => void): number {
  const columns = file.all<{ name: string }>(`select name from pragma_table_info('${table}')`).map(({ name }) => name);
  const sql = `insert or ignore into ${table} (${columns.join(", ")}) values (${columns.map(() => "?").join(", ")})`;
  let count = 0;
  for (const row of rows as Record<string, SqlValue>[]) {
    try {
      count += file.run(sql, ...columns.map((column) => row[column] ?? null));
    } catch (error) {
      if (error instanceof EdgeFileError && error.problem !== "corrupt") throw error;
      note(); // A row whose columns are damaged.
    }
  }
  return count;
}
