import { isRunning, type ProcessIdentity } from "../../runtime/process-identity.ts";
import type { SqlFile } from "./sql-file.ts";

/** A run, as its connector keeps it. `record` is JSON with `state` and `endedAt`; the file looks at nothing else of it. */
export interface StoredRun {
  readonly id: string;
  readonly state: string;
  readonly record: string;
}

export interface StoredItem {
  readonly id: string;
  readonly memoryId: string;
  readonly hash: string;
  readonly seenIn: string;
  readonly state: string;
}

export interface StoredLetter {
  readonly itemId: string;
  readonly memoryId: string;
  readonly code: string;
  readonly reason: string;
  readonly at: number;
  readonly payload: string;
}

export interface StoredCheckpoint {
  readonly run: StoredRun;
  readonly items: readonly StoredItem[];
  readonly deadLetters: readonly StoredLetter[];
  readonly settled: readonly string[];
}

/**
 * What became of a change: `lost`: another process has the connector by now, `full`: there are too many dead letters. Nothing was
 * kept then.
 */
export type Kept = "kept" | "lost" | "full";

/** A call from another thread. */
export interface ConnectorCall {
  readonly name: keyof ConnectorRows;
  readonly args: readonly unknown[];
}

/** A holder in another container or on another machine, whose process cannot be seen, loses the connector after this time without a page. */
const UNSEEN_TTL_MS = 3_600_000;
/** Runs that the log keeps. */
const RUNS_MAX = 100;
/** Beyond that a run fails, since dropping a dead letter in silence would lose an item. */
const LETTERS_MAX = 10_000;

const ITEM_COLUMNS = "id, memory_id as memoryId, hash, seen_in as seenIn, state";

/** What connectors keep in the file: their definitions, and what they know of the items of other services. One transaction a call. */
export class ConnectorRows {
  readonly #file: SqlFile;

  constructor(file: SqlFile) {
    this.#file = file;
  }

  /** Defined connectors, as JSON, in the order of their ids. */
  definitions(): { readonly id: string; readonly definition: string }[] {
    return this.#file.all("select id, definition from connectors where definition is not null order by id");
  }

  /** @param definition null: it is not defined any more, and what it knew is forgotten. @returns whether it was defined before. */
  define(id: string, definition: string | null): boolean {
    return this.#file.transaction(() => {
      const before = this.#file.get("select 1 from connectors where id = ? and definition is not null", id);
      if (definition === null) {
        for (const table of ["connector_items", "connector_runs", "connector_letters"]) {
          this.#file.run(`delete from ${table} where connector = ?`, id);
        }
        this.#file.run("delete from connectors where id = ?", id);
      } else {
        this.#file.run(
          "insert into connectors (id, definition) values (?, ?) on conflict (id) do update set definition = excluded.definition",
          id,
          definition,
        );
      }
      return before !== undefined;
    });
  }

  /** Takes the connector for a run of `owner`. @returns the run that goes on in another process; null: it was taken. */
  begin(id: string, run: StoredRun, owner: ProcessIdentity, nowMs: number): string | null {
    return this.#file.transaction(() => {
      this.#file.run("insert or ignore into connectors (id) values (?)", id);
      const held = this.#file.get<{ holder: string | null; owner: string | null; touched_at: number }>(
        "select holder, owner, touched_at from connectors where id = ?",
        id,
      );
      if (held?.holder != null && held.holder !== run.id && isHeld(held, nowMs)) {
        const sql = "select record from connector_runs where connector = ? and id = ?";
        return this.#file.get<{ record: string }>(sql, id, held.holder)?.record ?? run.record;
      }
      this.#file.run(
        "update connectors set holder = ?, owner = ?, touched_at = ? where id = ?",
        run.id,
        JSON.stringify(owner),
        nowMs,
        id,
      );
      // A run that still counts as running is of a dead process.
      this.#file.run(
        `update connector_runs set state = 'interrupted', record = json_set(record, '$.state', 'interrupted', '$.endedAt', ?)
         where connector = ? and state = 'running' and id <> ?`,
        ...[nowMs, id, run.id],
      );
      this.#putRun(id, run);
      return null;
    });
  }

  checkpoint(id: string, { run, items, deadLetters, settled }: StoredCheckpoint, nowMs: number): Kept {
    return this.#file.transaction(() => {
      if (!this.#touch(id, run.id, nowMs)) return "lost";
      const known = new Set(this.#letterIds(id, deadLetters));
      const news = deadLetters.filter(({ itemId }) => !known.has(itemId)).length;
      if (news > 0 && this.#countLetters(id) + news > LETTERS_MAX) return "full";
      this.#putRun(id, run);
      for (const item of items) this.#putItem(id, item);
      this.#dropLetters(id, settled);
      for (const letter of deadLetters) this.#putLetter(id, letter);
      return "kept";
    });
  }

  /** Ends a run, moves the cursor, and gives the connector free. */
  end(id: string, run: StoredRun, cursor: number | null): Kept {
    return this.#file.transaction(() => {
      const freed = this.#file.run(
        "update connectors set holder = null, owner = null, cursor = ? where id = ? and holder = ?",
        cursor,
        id,
        run.id,
      );
      if (freed === 0) return "lost";
      this.#putRun(id, run);
      return "kept";
    });
  }

  /** Gives the connector free without an end of its run: the next one notes it as interrupted. */
  release(id: string, runId: string): void {
    this.#file.run("update connectors set holder = null, owner = null where id = ? and holder = ?", id, runId);
  }

  cursor(id: string): number | null {
    return this.#file.get<{ cursor: number | null }>("select cursor from connectors where id = ?", id)?.cursor ?? null;
  }

  items(id: string, itemIds: readonly string[]): StoredItem[] {
    const sql = `select ${ITEM_COLUMNS} from connector_items where connector = ? and id in (select value from json_each(?))`;
    return this.#file.all(sql, id, JSON.stringify(itemIds));
  }

  unseen(id: string, runId: string, after: string, limit: number): StoredItem[] {
    const sql = `select ${ITEM_COLUMNS} from connector_items
      where connector = ? and state = 'imported' and seen_in <> ? and id > ? order by id limit ?`;
    return this.#file.all(sql, id, runId, after, limit);
  }

  inState(id: string, state: string, after: string, limit: number): StoredItem[] {
    const sql = `select ${ITEM_COLUMNS} from connector_items where connector = ? and state = ? and id > ? order by id limit ?`;
    return this.#file.all(sql, id, state, after, limit);
  }

  countImported(id: string): number {
    const sql = "select count(*) as n from connector_items where connector = ? and state = 'imported'";
    return this.#file.get<{ n: number }>(sql, id)?.n ?? 0;
  }

  /** The newest first. */
  runs(id: string, limit: number): string[] {
    const sql = "select record from connector_runs where connector = ? order by seq desc limit ?";
    return this.#file.all<{ record: string }>(sql, id, limit).map(({ record }) => record);
  }

  deadLetters(id: string, limit: number): (StoredLetter & { readonly attempts: number })[] {
    const sql = `select item_id as itemId, memory_id as memoryId, code, reason, at, payload, attempts
      from connector_letters where connector = ? order by item_id limit ?`;
    return this.#file.all(sql, id, limit);
  }

  /** @returns how many there were. */
  dropDeadLetters(id: string, itemIds: readonly string[]): number {
    return this.#file.transaction(() => this.#dropLetters(id, itemIds));
  }

  /** @returns whether the run still has the connector. */
  #touch(id: string, runId: string, nowMs: number): boolean {
    return this.#file.run("update connectors set touched_at = ? where id = ? and holder = ?", nowMs, id, runId) > 0;
  }

  #putRun(id: string, { id: runId, state, record }: StoredRun): void {
    this.#file.run(
      `insert into connector_runs (connector, id, state, record) values (?, ?, ?, ?)
       on conflict (connector, id) do update set state = excluded.state, record = excluded.record`,
      ...[id, runId, state, record],
    );
    this.#file.run(
      `delete from connector_runs where connector = ? and seq not in
       (select seq from connector_runs where connector = ? order by seq desc limit ${RUNS_MAX})`,
      ...[id, id],
    );
  }

  #putItem(id: string, { id: itemId, memoryId, hash, seenIn, state }: StoredItem): void {
    this.#file.run(
      "insert or replace into connector_items (connector, id, memory_id, hash, seen_in, state) values (?, ?, ?, ?, ?, ?)",
      ...[id, itemId, memoryId, hash, seenIn, state],
    );
  }

  #putLetter(id: string, { itemId, memoryId, code, reason, at, payload }: StoredLetter): void {
    this.#file.run(
      `insert into connector_letters (connector, item_id, memory_id, code, reason, attempts, at, payload)
       values (?, ?, ?, ?, ?, 1, ?, ?)
       on conflict (connector, item_id) do update set attempts = attempts + 1, code = excluded.code, reason = excluded.reason,
         at = excluded.at, payload = excluded.payload`,
      ...[id, itemId, memoryId, code, reason, at, payload],
    );
  }

  #letterIds(id: string, letters: readonly StoredLetter[]): string[] {
    if (letters.length === 0) return [];
    const sql =
      "select item_id from connector_letters where connector = ? and item_id in (select value from json_each(?))";
    const ids = JSON.stringify(letters.map(({ itemId }) => itemId));
    return this.#file.all<{ item_id: string }>(sql, id, ids).map(({ item_id }) => item_id);
  }

  #countLetters(id: string): number {
    return this.#file.get<{ n: number }>("select count(*) as n from connector_letters where connector = ?", id)?.n ?? 0;
  }

  #dropLetters(id: string, itemIds: readonly string[]): number {
    if (itemIds.length === 0) return 0;
    const sql = "delete from connector_letters where connector = ? and item_id in (select value from json_each(?))";
    return this.#file.run(sql, id, JSON.stringify(itemIds));
  }
}

function isHeld({ owner, touched_at }: { owner: string | null; touched_at: number }, nowMs: number): boolean {
  if (owner === null) return false;
  // A process that cannot be seen keeps the connector for an hour, by a clock that may have been put back.
  return isRunning(JSON.parse(owner) as ProcessIdentity) ?? Math.abs(nowMs - touched_at) < UNSEEN_TTL_MS;
}
