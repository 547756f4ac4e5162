import { JournaledFile } from "./journaled-file.ts";
import { KeptState } from "./kept-state.ts";
import { takeLock } from "./process-lock.ts";
import type { Checkpoint, ConnectorState, DeadLetter, KnownItem, RunRecord } from "./state.ts";

/**
 * The state of a connector in a JSON file, for one process without a database. `<path>.lock` names the process that has the
 * connector.
 */
export class JsonState implements ConnectorState {
  readonly #path: string;
  readonly #file: JournaledFile<KeptState>;
  readonly #state: KeptState;
  #unlock: (() => Promise<void>) | null = null;

  private constructor(path: string, file: JournaledFile<KeptState>) {
    this.#path = path;
    this.#file = file;
    this.#state = file.content;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open(path: string): Promise<JsonState> {
    const parts = { what: "the state of a connector", read: (state: unknown) => KeptState.parse(state) };
    return new JsonState(path, await JournaledFile.open(path, parts));
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    const unlock = await takeLock(`${this.#path}.lock`);
    if (unlock === null) return { running: this.#state.runs.find(({ state }) => state === "running") ?? run };
    this.#unlock = unlock;
    // The one that ran then is dead: it would have the lock.
    for (const dead of this.#state.runs.filter(({ state }) => state === "running")) {
      this.#state.putRun({ ...dead, state: "interrupted", endedAt: run.startedAt });
    }
    this.#state.putRun(run);
    await this.#file.save();
    return null;
  }

  async checkpoint(checkpoint: Checkpoint): Promise<void> {
    this.#state.apply(checkpoint);
    await this.#file.append(checkpoint);
  }

  async end(run: RunRecord, cursor: number | null): Promise<void> {
    this.#state.putRun(run);
    this.#state.cursor = cursor;
    await this.#file.save();
    await this.#unlock?.();
    this.#unlock = null;
  }

  async cursor(): Promise<number | null> {
    return this.#state.cursor;
  }

  async items(ids: readonly string[]): Promise<ReadonlyMap<string, KnownItem>> {
    const found = ids.map((id) => this.#state.item(id)).filter((item) => item !== undefined);
    return new Map(found.map((item) => [item.id, item]));
  }

  async unseen(runId: string, after: string, limit: number): Promise<readonly KnownItem[]> {
    return this.#state.imported
      .filter(({ id, seenIn }) => seenIn !== runId && id > after)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  async countImported(): Promise<number> {
    return this.#state.imported.length;
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return this.#state.runs.slice(0, limit);
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#state.deadLetters.slice(0, limit);
  }

  async dropDeadLetters(itemIds: readonly string[]): Promise<number> {
    const dropped = this.#state.dropDeadLetters(itemIds);
    if (dropped > 0) await this.#file.save();
    return dropped;
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#unlock?.();
    this.#unlock = null;
  }
}
