import type { MemoryKey } from "../../domain/keys.ts";
import type { PostgresAccess } from "../../drivers/postgres/postgres-access.ts";
import type { SentRecord, SinkCheckpoint, SinkState } from "../state/sink-state.ts";
import type { RunRecord } from "../state/state.ts";
import { LedgerRuns, type LedgerStateOptions } from "./ledger-state.ts";
import * as records from "./record-statements.ts";

/** The state of a sink in the ledger's database: records and cursor are kept together, in one statement. */
export class LedgerSinkState implements SinkState {
  readonly #runs: LedgerRuns;

  constructor(postgres: PostgresAccess, options: LedgerStateOptions) {
    this.#runs = new LedgerRuns(postgres, options);
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    return await this.#runs.begin(run);
  }

  /** @throws {AbortedError} Another process has the connector. */
  async checkpoint(checkpoint: SinkCheckpoint): Promise<void> {
    this.#runs.assertHeld(await this.#runs.call((sql) => records.keepRecords(sql, this.#runs.state, checkpoint)));
  }

  async end(run: RunRecord): Promise<void> {
    await this.#runs.end(run, undefined);
  }

  async cursor(): Promise<string | null> {
    const cursor = (await this.#runs.read())?.cursor ?? null;
    return typeof cursor === "string" ? cursor : null;
  }

  async reading(): Promise<string | null> {
    return (await this.#runs.read())?.reading ?? null;
  }

  async record(key: MemoryKey): Promise<SentRecord | null> {
    return await this.#runs.call((sql) => records.readRecord(sql, this.#runs.connector, key));
  }

  async inState(state: SentRecord["state"], limit: number): Promise<readonly SentRecord[]> {
    return await this.#runs.call((sql) => records.listInState(sql, this.#runs.connector, state, limit));
  }

  async withDoomed(limit: number): Promise<readonly SentRecord[]> {
    return await this.#runs.call((sql) => records.listDoomed(sql, this.#runs.connector, limit));
  }

  async unseen(reading: string, limit: number): Promise<readonly SentRecord[]> {
    return await this.#runs.call((sql) => records.listUnseenRecords(sql, this.#runs.connector, reading, limit));
  }

  async run(id: string): Promise<RunRecord | null> {
    return await this.#runs.run(id);
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return await this.#runs.runs(limit);
  }

  async close(): Promise<void> {} // The connections are the ledger's.
}
