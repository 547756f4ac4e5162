import { KeptState } from "./kept-state.ts";
import { RunFile } from "./run-file.ts";
import type { Checkpoint, ConnectorState, DeadLetter, KnownItem, RunRecord } from "./state.ts";

/** The state of a connector in a JSON file, for one process without a database. */
export class JsonState implements ConnectorState {
  readonly #file: RunFile<KeptState>;

  private constructor(file: RunFile<KeptState>) {
    this.#file = file;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open(path: string): Promise<JsonState> {
    const parts = { what: "the state of a connector", read: (state: unknown) => KeptState.parse(state) };
    return new JsonState(await RunFile.open(path, parts));
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    return await this.#file.begin(run);
  }

  async checkpoint(checkpoint: Checkpoint): Promise<void> {
    this.#state.apply(checkpoint);
    await this.#file.append(checkpoint);
  }

  async end(run: RunRecord, cursor: number | null): Promise<void> {
    this.#state.cursor = cursor;
    await this.#file.end(run);
  }

  async cursor(): Promise<number | null> {
    return this.#state.cursor;
  }

  async items(ids: readonly string[]): Promise<ReadonlyMap<string, KnownItem>> {
    const found = ids.map((id) => this.#state.item(id)).filter((item) => item !== undefined);
    return new Map(found.map((item) => [item.id, item]));
  }

  async unseen(runId: string, after: string, limit: number): Promise<readonly KnownItem[]> {
    return paged(
      this.#state.inState("imported").filter(({ seenIn }) => seenIn !== runId),
      after,
      limit,
    );
  }

  async inState(state: KnownItem["state"], after: string, limit: number): Promise<readonly KnownItem[]> {
    return paged(this.#state.inState(state), after, limit);
  }

  async countImported(): Promise<number> {
    return this.#state.inState("imported").length;
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return this.#state.runs.latest(limit);
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#state.deadLetters.slice(0, limit);
  }

  /** @throws {ConfigurationError} A run of another process goes on. */
  async dropDeadLetters(itemIds: readonly string[]): Promise<number> {
    return await this.#file.change((state) => state.dropDeadLetters(itemIds));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  get #state(): KeptState {
    return this.#file.content;
  }
}

function paged(items: readonly KnownItem[], after: string, limit: number): readonly KnownItem[] {
  return items
    .filter(({ id }) => id > after)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, limit);
}
