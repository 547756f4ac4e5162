import type { FileContext } from "./context.ts";

/** Memories whose words enter the index in one transaction: some 30 ms. */
const INDEXED_MAX = 1_000;

/**
 * The index of words. A write only notes its row in table `unindexed`: the index makes a segment of each transaction and merges them,
 * which cost more than all the rest of a write. The words of many rows enter it together: when the worker has nothing else to do, when
 * many rows wait, and before a search.
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
    if (this.#context.file.get("select 1 as n from unindexed limit 1") === undefined) return false;
    return this.#context.file.transaction(() => this.#index()) === INDEXED_MAX;
  }

  /** Everything that was written, by other processes too, is found afterwards. */
  indexAll(): void {
    while (this.indexSome());
  }

  #index(): number {
    const { file } = this.#context;
    this.#noted = 0;
    file.run(
      `insert into memory_text (rowid, content) select memory.row, memory.content
       from (select row from unindexed order by row limit ?) waiting join memories memory on memory.row = waiting.row`,
      INDEXED_MAX,
    );
    return file.run("delete from unindexed where row in (select row from unindexed order by row limit ?)", INDEXED_MAX);
  }
}
