import type { FileContext } from "./context.ts";
import type { Facts } from "./facts.ts";
import type { SqlFile } from "./sql-file.ts";

/** Empties the index of words: all of them enter it anew, bit by bit. Nothing that is kept here alone is in it. */
export function emptyIndex(file: SqlFile, facts: Facts): void {
  file.transaction(() => {
    file.run("insert into memory_text (memory_text) values ('delete-all')");
    file.run("delete from unindexed");
    facts.set("indexed_through", 0);
  });
}

/** Memories whose words enter the index in one transaction: some 30 ms. */
const INDEXED_MAX = 1_000;

/**
 * The index of words. A write leaves it alone: the index makes a segment of each transaction and merges them, which cost more than all the
 * rest of a write. The words of many rows enter it together: when the worker has nothing else to do, when many rows wait, and before a
 * search. Rows behind the fact `indexed_through` wait, and those that table `unindexed` names: rows up to it that were written since. A new
 * memory has a row behind it, and so costs nothing here.
 */
export class Words {
  readonly #context: FileContext;
  /** Rows that this process noted since it indexed last, about. */
  #noted = 0;

  constructor(context: FileContext) {
    this.#context = context;
  }

  /** Rows were written. Within the transaction of the caller, which indexes where many wait. */
  note(rows: number): void {
    this.#noted += rows;
    if (this.#noted >= INDEXED_MAX) this.#index();
  }

  /** Indexes some of what waits. @returns whether more may wait. */
  indexSome(): boolean {
    const found = this.#context.file.get<{ waits: number }>(
      `select exists (select 1 from unindexed) or exists (select 1 from memories where row >
         (select cast(value as integer) from facts where name = 'indexed_through')) as waits`,
    );
    if (found?.waits !== 1) return false;
    return this.#context.file.transaction(() => this.#index()) === INDEXED_MAX;
  }

  /** Everything that was written, by other processes too, is found afterwards. */
  indexAll(): void {
    while (this.indexSome());
  }

  /** @returns rows that waited. */
  #index(): number {
    this.#noted = 0;
    const again = this.#indexAgain();
    return again + this.#indexNew(INDEXED_MAX - again);
  }

  #indexAgain(): number {
    const { file } = this.#context;
    file.run(
      `insert into memory_text (rowid, content) select memory.row, memory.content
       from (select row from unindexed order by row limit ?) waiting join memories memory on memory.row = waiting.row`,
      INDEXED_MAX,
    );
    return file.run("delete from unindexed where row in (select row from unindexed order by row limit ?)", INDEXED_MAX);
  }

  #indexNew(max: number): number {
    const { file, facts } = this.#context;
    const from = facts.number("indexed_through");
    const found = file.get<{ rows: number; last: number | null }>(
      "select count(*) as rows, max(row) as last from (select row from memories where row > ? order by row limit ?)",
      from,
      max,
    );
    if (found == null || found.last === null) return 0;
    file.run(
      `insert into memory_text (rowid, content) select row, content from memories
       where row > ? and row <= ? and content is not null order by row`,
      from,
      found.last,
    );
    facts.set("indexed_through", found.last);
    return found.rows;
  }
}
