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
  | "contact"
  | "indexed_through";

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
  /** The last key that was made, while `#known` holds; null: it is to be looked for. */
  #lastKey: string | null = null;
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
   * A new key, greater than every key before. Within the transaction that puts its change into the outbox: two processes must not
   * make the same one, and a clock that was put back must not make a smaller one.
   *
   * The greatest key is that of the outbox, or the fact `last_key`: a trigger keeps in it the greatest that left the outbox. So a
   * write need not keep its key a second time, which cost it a page.
   */
  nextKey(nowMs: number, random: () => number): string {
    const known = this.#cache();
    const key = nextChangeKey((known && this.#lastKey) ?? this.#greatestKey(), nowMs, random);
    this.#lastKey = known && key;
    return key;
  }

  /** Also above the floor: where a damaged outbox lost keys, the hub must not refuse the next one as settled. */
  #greatestKey(): string | null {
    const found = this.#file.get<{ key: string | null }>(
      `select max(key) as key from (
         select value as key from facts where name in ('last_key', 'settled_floor') union all select max(key) from outbox)`,
    );
    return found?.key ?? null;
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
    this.#lastKey = null;
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
