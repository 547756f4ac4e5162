import { nextChangeKey } from "../../hub/protocol/change-key.ts";
import type { SqlFile } from "./sql-file.ts";

/** Single facts of the file, by their names in table `facts`. */
export type FactName =
  | "device"
  | "epoch"
  | "cursor"
  | "last_key"
  | "settled_floor"
  | "clock_offset_ms"
  | "paused"
  | "last_push_at"
  | "last_pull_at"
  | "lag_ms"
  | "namespaces"
  | "resync_generation"
  | "resync_reason"
  | "rescued"
  | "contact";

/** The facts of one file. All methods run in the transaction of their caller, if there is one. */
export class Facts {
  readonly #file: SqlFile;

  constructor(file: SqlFile) {
    this.#file = file;
  }

  get(name: FactName): string | null {
    return this.#file.get<{ value: string }>("select value from facts where name = ?", name)?.value ?? null;
  }

  number(name: FactName): number {
    return Number(this.get(name) ?? 0);
  }

  set(name: FactName, value: string | number | null): void {
    if (value === null) this.#file.run("delete from facts where name = ?", name);
    else this.#file.run("insert or replace into facts (name, value) values (?, ?)", name, String(value));
  }

  /**
   * A new key, greater than every key before. Within the transaction that keeps its change: two processes must not make the
   * same one, and a clock that was put back must not make a smaller one.
   */
  nextKey(nowMs: number, random: () => number): string {
    const key = nextChangeKey(this.get("last_key"), nowMs, random);
    this.set("last_key", key);
    return key;
  }

  /** Adds to a counter of the day, for the status. */
  count(day: string, name: string, by: number): void {
    if (by === 0) return;
    this.#file.run(
      "insert into counters (day, name, value) values (?, ?, ?) on conflict (day, name) do update set value = value + excluded.value",
      day,
      name,
      by,
    );
  }

  counter(day: string, name: string): number {
    return (
      this.#file.get<{ value: number }>("select value from counters where day = ? and name = ?", day, name)?.value ?? 0
    );
  }
}
