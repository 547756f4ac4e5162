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

interface Fact {
  readonly name: FactName;
  readonly value: string;
}

/**
 * The facts of one file. All methods run in the transaction of their caller, if there is one. What was read in a transaction is
 * not read again in it: it is a writer's, so no other process changes a fact meanwhile. Nor in the next one, unless another process
 * has written since.
 */
export class Facts {
  readonly #file: SqlFile;
  readonly #known = new Map<FactName, string>();
  /** The transaction that `#known` was looked at in last. */
  #knownIn: number | null = null;
  /** What must be the same for `#known` to be so in a later transaction; null: it is not. */
  #knownAt: { readonly dataVersion: number; readonly rollbacks: number } | null = null;

  constructor(file: SqlFile) {
    this.#file = file;
  }

  get(name: FactName): string | null {
    const known = this.#cache();
    if (known !== null) return known.get(name) ?? null;
    return this.#file.get<{ value: string }>("select value from facts where name = ?", name)?.value ?? null;
  }

  number(name: FactName): number {
    return Number(this.get(name) ?? 0);
  }

  set(name: FactName, value: string | number | null): void {
    const known = this.#cache();
    if (known === null) this.#knownAt = null;
    // The file first: what fails there must not be known here.
    if (value === null) this.#file.run("delete from facts where name = ?", name);
    else this.#file.run("insert or replace into facts (name, value) values (?, ?)", name, String(value));
    if (value === null) known?.delete(name);
    else known?.set(name, String(value));
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

  /** Null outside of a transaction. */
  #cache(): Map<FactName, string> | null {
    const { transactionNumber } = this.#file;
    if (transactionNumber === null) return null;
    if (this.#knownIn === transactionNumber) return this.#known;
    this.#knownIn = transactionNumber;
    const { rollbacks, dataVersion } = this.#file;
    const isKnown = this.#knownAt?.dataVersion === dataVersion && this.#knownAt.rollbacks === rollbacks;
    if (isKnown) return this.#known;
    this.#known.clear();
    // All of them, some dozen, at the price of one: every write needs three or more.
    for (const { name, value } of this.#file.all<Fact>("select name, value from facts")) this.#known.set(name, value);
    this.#knownAt = { dataVersion, rollbacks };
    return this.#known;
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
