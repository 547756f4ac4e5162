import type { Condition } from "../domain/filter/filter.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { LedgerCalls } from "./bound-statements.ts";
import * as find from "./find-statements.ts";
import { type FoundIndexes, findIndexes } from "./optional-indexes.ts";
import { readPassing, readSelected, type SelectedQuery, type SelectedRow } from "./selected-statements.ts";
import { searchText, type TextHit, type TextQuery } from "./text-statements.ts";

/**
 * Lists, counts and searches the ledger's memories. Each call is one statement that looks at a bounded number of rows, by an
 * index.
 */
export class FindLedger {
  readonly #calls: LedgerCalls;

  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    this.#calls = new LedgerCalls(postgres, callTimeoutMs);
  }

  async readPageStep(query: find.PageQuery, signal: AbortSignal): Promise<find.PageStep> {
    return await this.#byKey(signal, (sql) => find.readPageStep(sql, query));
  }

  async countStep(query: find.ScanQuery, signal: AbortSignal): Promise<find.ScanStep> {
    return await this.#byKey(signal, (sql) => find.countStep(sql, query));
  }

  async listNamespaces(after: string, limit: number, signal: AbortSignal): Promise<string[]> {
    return await this.#byKey(signal, (sql) => find.listNamespaces(sql, after, limit));
  }

  async listNamespacesOf(
    namespaces: readonly string[],
    after: string,
    limit: number,
    signal: AbortSignal,
  ): Promise<string[]> {
    return await this.#byKey(signal, (sql) => find.listNamespacesOf(sql, namespaces, after, limit));
  }

  async estimateCount(namespace: string, condition: Condition, signal: AbortSignal): Promise<number> {
    return await this.#calls.use(signal, ({ sql }) => find.estimateCount(sql, namespace, condition));
  }

  async findIndexes(signal: AbortSignal): Promise<FoundIndexes> {
    return await this.#calls.use(signal, ({ sql }) => findIndexes(sql));
  }

  async readSelected(query: SelectedQuery, signal: AbortSignal): Promise<readonly SelectedRow[] | null> {
    return await this.#withoutScans(signal, false, (sql) => readSelected(sql, query));
  }

  async readPassing(
    namespace: string,
    memoryIds: readonly string[],
    condition: Condition,
    signal: AbortSignal,
  ): Promise<string[]> {
    return await this.#withoutScans(signal, true, (sql) => readPassing(sql, namespace, memoryIds, condition));
  }

  async searchText(query: TextQuery, signal: AbortSignal): Promise<TextHit[]> {
    return await this.#withoutScans(signal, false, (sql) => searchText(sql, query));
  }

  /**
   * Runs a statement that must follow the primary key. Where the planner's statistics do not know a namespace yet (after an
   * import, say), it expects a few rows, and would read and sort all of them for one step.
   */
  async #byKey<T>(signal: AbortSignal, statement: (sql: Sql) => Promise<T>): Promise<T> {
    return await this.#withoutScans(signal, true, statement);
  }

  /** Runs a statement for which the planner must not read a whole table, whatever its statistics say. */
  async #withoutScans<T>(signal: AbortSignal, inOrder: boolean, statement: (sql: Sql) => Promise<T>): Promise<T> {
    return await this.#calls.use(signal, async ({ sql }) => {
      await Promise.all([
        sql`begin transaction read only`.execute(),
        sql`select set_config('enable_seqscan', 'off', true),
                   set_config('enable_bitmapscan', ${inOrder ? "off" : "on"}, true),
                   set_config('enable_sort', ${inOrder ? "off" : "on"}, true),
                   set_config('enable_incremental_sort', ${inOrder ? "off" : "on"}, true)`.execute(),
      ]);
      const answer = await statement(sql);
      await sql`commit`;
      return answer;
    });
  }
}
