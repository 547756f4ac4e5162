import { type Condition, isUnconditional } from "../domain/filter/filter.ts";
import type { PostgresAccess, Sql, Statement } from "../drivers/postgres/postgres-access.ts";
import { LedgerCalls } from "./bound-statements.ts";
import * as find from "./find-statements.ts";
import { type FoundIndexes, findIndexes } from "./optional-indexes.ts";
import { plainPageStatement, plainPageStepOf } from "./plain-page-statement.ts";
import {
  readCreationTimes,
  readPassing,
  readSelected,
  type SelectedQuery,
  type SelectedRow,
} from "./selected-statements.ts";
import { searchText, type TextHit, type TextQuery } from "./text-statements.ts";

/**
 * Lists, counts and searches the ledger's memories. Each call is one statement that looks at a bounded number of rows, by an
 * index.
 */
export class FindLedger {
  readonly #calls: LedgerCalls;

  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: Pick<PostgresAccess, "use">, callTimeoutMs: number) {
    this.#calls = new LedgerCalls(postgres, callTimeoutMs);
  }

  async readPageStep(query: find.PageQuery, signal: AbortSignal): Promise<find.PageStep> {
    if (isUnconditional(query.condition) && query.sortField === null) {
      return plainPageStepOf(await this.#byKey(signal, (sql) => plainPageStatement(sql, query)), query.limit);
    }
    return find.pageStepOf(await this.#byKey(signal, (sql) => find.pageStatement(sql, query)));
  }

  async countStep(query: find.ScanQuery, signal: AbortSignal): Promise<find.CountStep> {
    const [answer] = await this.#byKey(signal, (sql) => find.countStatement(sql, query));
    return find.countStepOf(answer as find.CountAnswer);
  }

  async listNamespaces(after: string, limit: number, signal: AbortSignal): Promise<string[]> {
    const rows = await this.#byKey(signal, (sql) => find.namespacesStatement(sql, after, limit));
    return rows.map(({ namespace }) => namespace);
  }

  async listNamespacesOf(
    namespaces: readonly string[],
    after: string,
    limit: number,
    signal: AbortSignal,
  ): Promise<string[]> {
    const rows = await this.#byKey(signal, (sql) => find.namespacesOfStatement(sql, namespaces, after, limit));
    return rows.map(({ namespace }) => namespace);
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

  async readCreationTimes(
    namespace: string,
    memoryIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, number>> {
    return await this.#withoutScans(signal, true, (sql) => readCreationTimes(sql, namespace, memoryIds));
  }

  async searchText(query: TextQuery, signal: AbortSignal): Promise<TextHit[]> {
    return await this.#withoutScans(signal, false, (sql) => searchText(sql, query));
  }

  /**
   * Runs a statement that must follow the primary key, or the index of an order. Where the planner's statistics do not know a
   * namespace yet (after an import, say), it expects a few rows, and would read and sort all of them for one step.
   *
   * The settings, the statement and the end of the transaction go out together: one round trip, where waiting for each would
   * take three. A refusal of one of them is the answer; the server then takes the commit for a rollback.
   */
  async #byKey<Row extends object>(signal: AbortSignal, statement: (sql: Sql) => Statement<Row>): Promise<Row[]> {
    return await this.#calls.use(signal, async ({ sql }) => {
      const [, rows] = await Promise.all([
        beginWithoutScans(sql, true),
        statement(sql).execute(),
        sql`commit`.execute(),
      ]);
      return rows;
    });
  }

  /** Runs statements for which the planner must not read a whole table, whatever its statistics say. */
  async #withoutScans<T>(signal: AbortSignal, inOrder: boolean, statements: (sql: Sql) => Promise<T>): Promise<T> {
    return await this.#calls.use(signal, async ({ sql }) => {
      await beginWithoutScans(sql, inOrder);
      const answer = await statements(sql);
      await sql`commit`;
      return answer;
    });
  }
}

/**
 * Sends the begin of a transaction and the planner's settings in it, as one message: each message more wakes the program
 * once more before the answer. `execute`, since the driver otherwise sends a statement only when it is awaited.
 */
function beginWithoutScans(sql: Sql, inOrder: boolean): PromiseLike<unknown> {
  const settings = [
    "enable_seqscan",
    ...(inOrder ? ["enable_bitmapscan", "enable_sort", "enable_incremental_sort"] : []),
  ];
  const statements = ["begin transaction read only", ...settings.map((name) => `set local ${name} = off`)];
  // The way is the same for all values, so it is planned once per connection: planning took as long as the reading.
  if (inOrder) statements.push("set local plan_cache_mode = force_generic_plan");
  return sql.unsafe(statements.join("; ")).execute();
}
