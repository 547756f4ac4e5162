import * as z from "zod";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import { lazily } from "../../domain/lazily.ts";
import { runSchema } from "./kept-state.ts";
import { type RunContent, RunFile } from "./run-file.ts";
import { RunLog } from "./run-log.ts";
import type { SentRecord, SinkCheckpoint, SinkState } from "./sink-state.ts";
import type { RunRecord } from "./state.ts";

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
  z.strictObject({
    run: runSchema(),
    records: z.array(recordSchema()),
    cursor: z.string().nullable().optional(),
    reading: z.string().nullable(),
  }),
);
const contentSchema = lazily(() =>
  z.strictObject({
    cursor: z.string().nullable(),
    reading: z.string().nullable(),
    runs: z.array(runSchema()),
    records: z.array(recordSchema()),
  }),
);

class Content implements RunContent {
  cursor: string | null;
  reading: string | null;
  readonly runs: RunLog;
  readonly records: Map<string, SentRecord>;

  constructor({ cursor, reading, runs, records }: z.output<ReturnType<typeof contentSchema>>) {
    this.cursor = cursor;
    this.reading = reading;
    this.runs = new RunLog(runs);
    this.records = new Map(records.map((record) => [keyText(record), record]));
  }

  static parse(state: unknown): Content | null {
    const content = contentSchema().safeParse(state ?? { cursor: null, reading: null, runs: [], records: [] });
    return content.success ? new Content(content.data) : null;
  }

  replay(line: unknown): boolean {
    const checkpoint = checkpointSchema().safeParse(line);
    if (checkpoint.success) this.apply(checkpoint.data);
    return checkpoint.success;
  }

  apply({ run, records, cursor, reading }: SinkCheckpoint): void {
    this.runs.put(run);
    for (const record of records) {
      // Behind the others: a record that was just looked at is not the next one again.
      this.records.delete(keyText(record));
      this.records.set(keyText(record), record);
    }
    if (cursor !== undefined) this.cursor = cursor;
    this.reading = reading;
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
    return { cursor: this.cursor, reading: this.reading, runs: this.runs, records: [...this.records.values()] };
  }
}

/** The state of a connector to another service in a JSON file, for one process without a database. */
export class JsonSinkState implements SinkState {
  readonly #file: RunFile<Content>;

  private constructor(file: RunFile<Content>) {
    this.#file = file;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open(path: string): Promise<JsonSinkState> {
    const parts = { what: "the state of a connector", read: (state: unknown) => Content.parse(state) };
    return new JsonSinkState(await RunFile.open(path, parts));
  }

  async begin(run: RunRecord): Promise<{ readonly running: RunRecord } | null> {
    return await this.#file.begin(run);
  }

  async checkpoint(checkpoint: SinkCheckpoint): Promise<void> {
    this.#file.content.apply(checkpoint);
    await this.#file.append(checkpoint);
  }

  async end(run: RunRecord): Promise<void> {
    await this.#file.end(run);
  }

  async cursor(): Promise<string | null> {
    return this.#file.content.cursor;
  }

  async reading(): Promise<string | null> {
    return this.#file.content.reading;
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

  async unseen(reading: string, limit: number): Promise<readonly SentRecord[]> {
    return this.#file.content.find(limit, (record) => record.seenIn !== reading && record.state !== "gone");
  }

  async runs(limit: number): Promise<readonly RunRecord[]> {
    return this.#file.content.runs.latest(limit);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
