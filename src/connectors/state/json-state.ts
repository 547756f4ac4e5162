import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { ConfigurationError } from "../../domain/errors.ts";
import { syncFolder } from "../../runtime/sync-folder.ts";
import { newUlid } from "../../runtime/ulid.ts";
import { checkpointSchema, KeptState, keptSchema } from "./kept-state.ts";
import { takeLock } from "./process-lock.ts";
import type { Checkpoint, ConnectorState, DeadLetter, KnownItem, RunRecord } from "./state.ts";

const FORMAT = 1;
/** Bytes of the journal at which it is taken into the file. */
const JOURNAL_BYTES_MAX = 16_777_216;

/**
 * The state of a connector in a JSON file, for one process without a database:
 *
 *     <path>           everything, at some moment; replaced as a whole (temporary file, fsync, rename)
 *     <path>.journal   what pages of a run have changed since, a line each, with fsync. Its first line names the file's generation,
 *                      so that a journal is not applied to a file that has it already
 *     <path>.lock      the process that has the connector
 */
export class JsonState implements ConnectorState {
  readonly #path: string;
  readonly #state: KeptState;
  #generation: string;
  #journal: FileHandle | null = null;
  #journalBytes = 0;
  #unlock: (() => Promise<void>) | null = null;

  private constructor(path: string, generation: string, state: KeptState) {
    this.#path = path;
    this.#generation = generation;
    this.#state = state;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open(path: string): Promise<JsonState> {
    const { generation, state } = await readState(path);
    await applyJournal(`${path}.journal`, generation, state);
    return new JsonState(path, generation, state);
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
    await this.#save();
    return null;
  }

  async checkpoint(checkpoint: Checkpoint): Promise<void> {
    this.#state.apply(checkpoint);
    await this.#append(JSON.stringify(checkpoint));
    if (this.#journalBytes > JOURNAL_BYTES_MAX) await this.#save();
  }

  async end(run: RunRecord): Promise<void> {
    this.#state.putRun(run);
    this.#state.cursor = run.cursorAfter;
    await this.#save();
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
    if (dropped > 0) await this.#save();
    return dropped;
  }

  async close(): Promise<void> {
    await this.#journal?.close();
    this.#journal = null;
    await this.#unlock?.();
    this.#unlock = null;
  }

  /** Replaces the file by what is in memory. The journal goes last: until then it names the former generation, and is passed over. */
  async #save(): Promise<void> {
    const generation = newUlid();
    const draft = `${this.#path}.draft`;
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify({ format: FORMAT, generation, state: this.#state }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
    await syncFolder(dirname(this.#path));
    this.#generation = generation;
    await this.#journal?.close();
    this.#journal = null;
    this.#journalBytes = 0;
    await rm(`${this.#path}.journal`, { force: true });
  }

  async #append(line: string): Promise<void> {
    if (this.#journal === null) {
      this.#journal = await open(`${this.#path}.journal`, "w", 0o600);
      await this.#journal.write(`${JSON.stringify({ generation: this.#generation })}\n`);
      await syncFolder(dirname(this.#path));
    }
    await this.#journal.write(`${line}\n`);
    await this.#journal.datasync();
    this.#journalBytes += line.length;
  }
}

const fileSchema = () => z.strictObject({ format: z.int(), generation: z.string(), state: z.unknown() });

async function readState(path: string): Promise<{ generation: string; state: KeptState }> {
  const text = await textOf(path);
  if (text === null) return { generation: "", state: new KeptState() };
  const file = fileSchema().safeParse(jsonOf(text));
  const advice = "move it away, and the connector reads everything anew";
  if (!file.success) throw new ConfigurationError(`${path} is not the state of a connector, or is damaged: ${advice}`);
  if (file.data.format > FORMAT) {
    throw new ConfigurationError(
      `${path} has format ${file.data.format}, and this program knows ${FORMAT}: use a newer one`,
    );
  }
  const kept = keptSchema().safeParse(file.data.state);
  if (!kept.success) throw new ConfigurationError(`${path} is damaged: ${z.prettifyError(kept.error)}; ${advice}`);
  return { generation: file.data.generation, state: new KeptState(kept.data) };
}

/** A last line that was cut off by a crash was never acknowledged: it is passed over. */
async function applyJournal(path: string, generation: string, state: KeptState): Promise<void> {
  const [head, ...lines] = ((await textOf(path)) ?? "").split("\n");
  const named = z.strictObject({ generation: z.string() }).safeParse(jsonOf(head ?? ""));
  if (!named.success || named.data.generation !== generation) return;
  for (const line of lines) {
    const checkpoint = checkpointSchema().safeParse(jsonOf(line));
    if (!checkpoint.success) return;
    state.apply(checkpoint.data);
  }
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
