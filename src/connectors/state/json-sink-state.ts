import * as z from "zod";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import { lazily } from "../../domain/lazily.ts";
import { type JournaledContent, JournaledFile } from "./journaled-file.ts";
import { runSchema } from "./kept-state.ts";
import { takeLock } from "./process-lock.ts";
import type { SentRecord, SinkCheckpoint, SinkState } from "./sink-state.ts";
import type { RunRecord } from "./state.ts";

const RUNS_MAX = 100;

const recordSchema = lazily(() =>
  z.strictObject({
    ...{ namespace: z.string(), memoryId: z.string(), version: z.int().min(0), wanted: z.int().min(0) },
    ...{ ends: z.boolean(), hash: z.string().nullable(), name: z.string().nullable() },
    state: z.enum(["queued", "sent", "delivered", "failed", "gone"]),
    receipt: z.unknown(),
    ...{ old: z.array(z.string()), doomed: z.array(z.string()), reason: z.string().nullable(), seenIn: z.string() },
  }),
);
const checkpointSchema = lazily(() =>
  z.strictObject({ run: runSchema(), records: z.array(recordSchema()), cursor: z.string().nullable().optional() }),
);
const contentSchema = lazily(() =>
  z.strictObject({ cursor: z.string().nullable(), runs: z.array(runSchema()), records: z.array(recordSchema()) }),
);

class Content implements JournaledContent {
  cursor: string | null;
  readonly runs: RunRecord[];
  readonly records: Map<string, SentRecord>;

  constructor({ cursor, runs, records }: z.output<ReturnType<typeof contentSchema>>) {
    this.cursor = cursor;
    this.runs = [...runs];
    this.records = new Map(records.map((record) => [keyText(record), record]));
  }

  static parse(state: unknown): Content | null {
    const content = contentSchema().safeParse(state ?? { cursor: null, runs: [], records: [] });
    return content.success ? new Content(content.data) : null;
  }

  replay(line: unknown): boolean {
    const checkpoint = checkpointSchema().safeParse(line);
    if (checkpoint.success) this.apply(checkpoint.data);
    return checkpoint.success;
  }

  apply({ run, records, cursor }: SinkCheckpoint): void {
    this.putRun(run);
    for (const record of records) {
      // Behind the others: a record that was just looked at is not the next one again.
      this.records.delete(keyText(record));
      this.records.set(keyText(record), record);
    }
    if (cursor !== undefined) this.cursor = cursor;
  }

  putRun(run: RunRecord): void {
    const at = this.runs.findIndex(({ id }) => id === run.id);
    if (at >= 0) this.runs[at] = run;
    else this.runs.unshift(run);
    this.runs.splice(RUNS_MAX);
  }

  find(limit: number, wanted: (record: SentRecord) => boolean): SentRecord[] {
    const found: SentRecord[] = [];
    for (const record of this.records.values()) {
      if (found.length >= limit) break;
      if (wanted(record)) found.push(record);
    }
    return found;
  }

  toJSON(): unknown {
    return { cursor: this.cursor, runs: this.runs, records: [...this.records.values()] };
  }
}

/** The state of a connector to another service in a JSON file, for one process without a database. */
export class JsonSinkState implements SinkState {
  readonly #path: string;
  readonly #file: JournaledFile<Content>;
  #unlock: (() => Promise<void>) | null = null;

  private constructor(path: string, file: JournaledFile<Content>) {
    this.#path = path;
    this.#file = file;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open(path: string): Promise<JsonSinkState> {
    const parts = { what: "the state of a connector", read: (state: unknown) => Content.parse(state) };
    return new JsonSinkState(path, await JournaledFile.open(path, parts));
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    const { content } = this.#file;
    const unlock = await takeLock(`${this.#path}.lock`);
    if (unlock === null) return { running: content.runs.find(({ state }) => state === "running") ?? run };
    this.#unlock = unlock;
    for (const dead of content.runs.filter(({ state }) => state === "running")) {
      content.putRun({ ...dead, state: "interrupted", endedAt: run.startedAt });
    }
    content.putRun(run);
    await this.#file.save();
    return null;
  }

  async checkpoint(checkpoint: SinkCheckpoint): Promise<void> {
    this.#file.content.apply(checkpoint);
    await this.#file.append(checkpoint);
  }

  async end(run: RunRecord): Promise<void> {
    this.#file.content.putRun(run);
    await this.#file.save();
    await this.#unlock?.();
    this.#unlock = null;
  }

  async cursor(): Promise<string | null> {
    return this.#file.content.cursor;
  }

  async record(key: MemoryKey): Promise<SentRecord | null> {
    return this.#file.content.records.get(keyText(key)) ?? null;
  }

  async inState(state: SentRecord["state"], limit: number): Promise<readonly SentRecord[]> {
    return this.#file.content.find(limit, (record) => record.state === state);
  }

  async withDoomed(limit: number): Promise<readonly SentRecord[]> {
    return this.#file.content.find(limit, ({ doomed }) => doomed.length > 0);
  }

  async unseen(runId: string, limit: number): Promise<readonly SentRecord[]> {
    return this.#file.content.find(limit, (record) => record.seenIn !== runId && record.state !== "gone");
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return this.#file.content.runs.slice(0, limit);
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#unlock?.();
    this.#unlock = null;
  }
}
