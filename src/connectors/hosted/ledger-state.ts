import { AbortedError, StoreRefusedError } from "../../domain/errors.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import type { PostgresAccess, Sql } from "../../drivers/postgres/postgres-access.ts";
import { newUlid } from "../../runtime/ulid.ts";
import type { Checkpoint, ConnectorState, DeadLetter, KnownItem, RunRecord } from "../state/state.ts";
import * as items from "./item-statements.ts";
import { callLedger } from "./ledger-call.ts";
import * as states from "./state-statements.ts";

export interface LedgerStateOptions {
  /** Names the state: the id of the connector, or `<id>/to`. */
  readonly connector: string;
  /** Milliseconds that one call may take. */
  readonly callTimeoutMs: number;
}

/** Dead letters of one connector, at most: beyond that a run fails, since dropping one in silence would lose an item. */
export const DEAD_LETTERS_MAX = 10_000;

/** What both states of the ledger have in common: the runs, and who may write. */
export class LedgerRuns {
  readonly connector: string;
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;
  /** Names this object as the writer: one that the connector was taken from keeps nothing any more. */
  readonly #writer = newUlid();

  constructor(postgres: PostgresAccess, { connector, callTimeoutMs }: LedgerStateOptions) {
    this.#postgres = postgres;
    this.connector = connector;
    this.#callTimeoutMs = callTimeoutMs;
  }

  get state(): states.StateWriter {
    return { connector: this.connector, writer: this.#writer };
  }

  async call<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return await callLedger({ postgres: this.#postgres, callTimeoutMs: this.#callTimeoutMs }, undefined, work);
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    const running = await this.call((sql) => states.beginRun(sql, this.state, run));
    return running === null ? null : { running };
  }

  async end(run: RunRecord, cursor: number | string | null | undefined): Promise<void> {
    this.assertHeld(await this.call((sql) => states.endRun(sql, this.state, run, cursor)));
  }

  async read(): Promise<states.StateRow | null> {
    return await this.call((sql) => states.readState(sql, this.connector));
  }

  async run(id: string): Promise<RunRecord | null> {
    return await this.call((sql) => states.readRun(sql, this.connector, id));
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return await this.call((sql) => states.listRuns(sql, this.connector, null, limit));
  }

  /** @throws {AbortedError} */
  assertHeld(isHeld: boolean): void {
    if (!isHeld) throw new AbortedError(`the run of connector ${this.connector}, which another process has taken over`);
  }
}

/** The state of a source in the ledger's database: kept page by page, each in one statement. */
export class LedgerState implements ConnectorState {
  readonly #runs: LedgerRuns;
  readonly #namespace: string;

  /** @param options `namespace`: that of the memories. */
  constructor(postgres: PostgresAccess, options: LedgerStateOptions & { readonly namespace: string }) {
    this.#runs = new LedgerRuns(postgres, options);
    this.#namespace = options.namespace;
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    return await this.#runs.begin(run);
  }

  /** @throws {AbortedError} Another process has the connector. @throws {StoreRefusedError} There are too many dead letters. */
  async checkpoint(checkpoint: Checkpoint): Promise<void> {
    const { connector, state } = this.#runs;
    const isHeld = await this.#runs.call(async (sql) => {
      if (checkpoint.deadLetters.length > 0) {
        // Letters that this page settles are removed, and letters that it replaces keep their place: neither counts against the limit.
        const kept = await items.countLettersBeside(sql, connector, [
          ...checkpoint.settled,
          ...checkpoint.deadLetters.map(({ itemId }) => itemId),
        ]);
        if (kept + checkpoint.deadLetters.length > DEAD_LETTERS_MAX) {
          throw new StoreRefusedError(
            LEDGER_ID,
            `connector ${connector} has ${kept} other dead letters, and no room for ${checkpoint.deadLetters.length} more: ` +
              `${DEAD_LETTERS_MAX} is the limit. Replay or drop them first`,
          );
        }
      }
      return await items.keepPage(sql, state, this.#namespace, checkpoint);
    });
    this.#runs.assertHeld(isHeld);
  }

  async end(run: RunRecord, cursor: number | null): Promise<void> {
    await this.#runs.end(run, cursor);
  }

  async cursor(): Promise<number | null> {
    const cursor = (await this.#runs.read())?.cursor ?? null;
    return typeof cursor === "number" ? cursor : null;
  }

  async items(ids: readonly string[]): Promise<ReadonlyMap<string, KnownItem>> {
    const found = await this.#runs.call((sql) => items.readItems(sql, this.#runs.connector, ids));
    return new Map(found.map((item) => [item.id, item]));
  }

  async unseen(runId: string, after: string, limit: number): Promise<readonly KnownItem[]> {
    return await this.#runs.call((sql) => items.listUnseen(sql, this.#runs.connector, { runId, after, limit }));
  }

  async inState(state: KnownItem["state"], after: string, limit: number): Promise<readonly KnownItem[]> {
    return await this.#runs.call((sql) => items.listItemsInState(sql, this.#runs.connector, { state, after, limit }));
  }

  async countImported(): Promise<number> {
    return await this.#runs.call((sql) => items.countImported(sql, this.#runs.connector));
  }

  async run(id: string): Promise<RunRecord | null> {
    return await this.#runs.run(id);
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return await this.#runs.runs(limit);
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    const { letters } = await this.#runs.call((sql) =>
      items.listLetters(sql, this.#runs.connector, { after: 0, limit }),
    );
    return letters.map(({ seq: _, ...letter }) => letter);
  }

  /** Items of all letters, the oldest first. */
  async letterIds(): Promise<readonly string[]> {
    return await this.#runs.call((sql) => items.listLetterIds(sql, this.#runs.connector));
  }

  /** Letters of some items, at most 100: each may hold a whole memory. */
  async lettersOf(itemIds: readonly string[]): Promise<readonly DeadLetter[]> {
    return await this.#runs.call((sql) => items.readLetters(sql, this.#runs.connector, itemIds));
  }

  async dropDeadLetters(itemIds: readonly string[]): Promise<number> {
    return await this.#runs.call((sql) => items.dropLetters(sql, this.#runs.connector, itemIds));
  }

  async close(): Promise<void> {} // The connections are the ledger's.
}
