import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { ConfigurationError } from "../../domain/errors.ts";
import { jsonIfSound, textIfThere } from "../../runtime/if-there.ts";
import { syncFolder } from "../../runtime/sync-folder.ts";
import { newUlid } from "../../runtime/ulid.ts";

const FORMAT = 1;
/** Bytes of the journal at which it is taken into the file. */
const JOURNAL_BYTES_MAX = 16_777_216;

/** What a journaled file holds: it is written whole, and changed line by line. */
export interface JournaledContent {
  /** Takes a line of the journal over. @returns false where it is none: a crash cut it off. */
  replay(line: unknown): boolean;
  toJSON(): unknown;
}

export interface JournaledFileParts<Content extends JournaledContent> {
  /** What the file is, in messages, e.g. `the state of a connector`. */
  readonly what: string;
  /** The content of the file; of an empty one where there is no file yet. Null: it is damaged. */
  readonly read: (state: unknown) => Content | null;
}

/**
 * A JSON file and a journal beside it:
 *
 *     <path>           everything, at some moment; replaced as a whole (temporary file, fsync, rename)
 *     <path>.journal   what has changed since, a line each, with fsync. Its first line names the file's generation, so that a journal
 *                      is not applied to a file that has it already
 */
export class JournaledFile<Content extends JournaledContent> {
  readonly content: Content;
  readonly #path: string;
  #generation: string;
  #journal: FileHandle | null = null;
  #journalBytes = 0;

  private constructor(path: string, generation: string, content: Content) {
    this.#path = path;
    this.#generation = generation;
    this.content = content;
  }

  /** @throws {ConfigurationError} The file is of another program, of a newer one, or damaged. It is left as it is. */
  static async open<Content extends JournaledContent>(
    path: string,
    parts: JournaledFileParts<Content>,
  ): Promise<JournaledFile<Content>> {
    const { generation, content } = await readContent(path, parts);
    await applyJournal(`${path}.journal`, generation, content);
    return new JournaledFile(path, generation, content);
  }

  /** Makes a change durable that the content has taken over already. */
  async append(line: object): Promise<void> {
    const text = `${JSON.stringify(line)}\n`;
    if (this.#journal === null) {
      this.#journal = await open(`${this.#path}.journal`, "w", 0o600);
      await this.#journal.write(`${JSON.stringify({ generation: this.#generation })}\n`);
      await syncFolder(dirname(this.#path));
    }
    await this.#journal.write(text);
    await this.#journal.datasync();
    this.#journalBytes += text.length;
    if (this.#journalBytes > JOURNAL_BYTES_MAX) await this.save();
  }

  /** Replaces the file by what is in memory. The journal goes last: until then it names the former generation, and is passed over. */
  async save(): Promise<void> {
    const generation = newUlid();
    const draft = `${this.#path}.draft`;
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify({ format: FORMAT, generation, state: this.content }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
    await syncFolder(dirname(this.#path));
    this.#generation = generation;
    await this.close();
    await rm(`${this.#path}.journal`, { force: true });
  }

  async close(): Promise<void> {
    await this.#journal?.close();
    this.#journal = null;
    this.#journalBytes = 0;
  }
}

const fileSchema = () => z.strictObject({ format: z.int(), generation: z.string(), state: z.unknown() });

async function readContent<Content extends JournaledContent>(
  path: string,
  { what, read }: JournaledFileParts<Content>,
): Promise<{ generation: string; content: Content }> {
  const text = await textIfThere(path);
  const file = text === null ? null : fileSchema().safeParse(jsonIfSound(text));
  const damaged = new ConfigurationError(
    `${path} is not ${what}, or is damaged: move it away, and the connector reads everything anew`,
  );
  if (file !== null && !file.success) throw damaged;
  if (file !== null && file.data.format > FORMAT) {
    const found = `has format ${file.data.format}, and this program knows ${FORMAT}`;
    throw new ConfigurationError(`${path} ${found}: use a newer one`);
  }
  const content = read(file?.data.state);
  if (content === null) throw damaged;
  return { generation: file?.data.generation ?? "", content };
}

/** A last line that was cut off by a crash was never acknowledged: it is passed over. */
async function applyJournal(path: string, generation: string, content: JournaledContent): Promise<void> {
  const [head, ...lines] = ((await textIfThere(path)) ?? "").split("\n");
  const named = z.strictObject({ generation: z.string() }).safeParse(jsonIfSound(head ?? ""));
  if (!named.success || named.data.generation !== generation) return;
  for (const line of lines) if (!content.replay(jsonIfSound(line))) return;
}
