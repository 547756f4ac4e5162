import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { statIfThere } from "../../runtime/if-there.ts";
import { syncFolder } from "../../runtime/sync-folder.ts";
import type { MediaReference } from "./media-reference.ts";

/** A memory that refers to a file. */
export interface MediaHolder {
  readonly namespace: string;
  readonly memoryId: string;
}

/** A file that is kept. */
export interface KeptMedia {
  readonly path: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly holders: readonly MediaHolder[];
}

const noteSchema = lazily(() =>
  z.object({
    contentType: z.string(),
    bytes: z.int().min(0),
    holders: z.array(z.object({ namespace: z.string(), memoryId: z.string() })),
  }),
);

const SHA256 = /^[0-9a-f]{64}$/;
/** A download that nobody went on with for so long is given up. */
const PARTIAL_TTL_MS = 7 * 86_400_000;

/**
 * Files of one connector by the hash of their content: equal ones are kept once. The run that has the connector writes; anybody reads.
 *
 *     <folder>/3f/3f9a…           the bytes
 *     <folder>/3f/3f9a….json      content type, and the memories that refer to it
 *     <folder>/partial/…          downloads that are not complete
 *
 * A holder is noted before its memory is written, so a file that a memory refers to is never taken for unused.
 */
export class MediaFolder {
  readonly #path: string;
  /** One at a time: two items with the same file would each forget the other one's memory. */
  #keeping: Promise<unknown> = Promise.resolve();

  /** @param path made when the first file comes. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where a download is collected until it is whole. The same file of an item has the same one. */
  async partial(itemId: string, kind: string): Promise<string> {
    const folder = join(this.#path, "partial");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const name = createHash("sha256")
      .update(JSON.stringify([itemId, kind]))
      .digest("hex");
    return join(folder, name);
  }

  /** Takes a whole download in. Durable once it resolves. @param partial is gone then. */
  async keep(partial: string, kind: string, contentType: string, holder: MediaHolder): Promise<MediaReference> {
    const { size: bytes } = await stat(partial);
    const sha256 = await hashOf(partial);
    const kept = this.#keeping.then(() => this.#take(partial, { kind, contentType, bytes, sha256 }, holder));
    this.#keeping = kept.catch(() => undefined);
    return await kept;
  }

  async #take(partial: string, reference: MediaReference, holder: MediaHolder): Promise<MediaReference> {
    const { contentType, bytes, sha256 } = reference;
    const path = this.#pathOf(sha256);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const before = await this.#note(sha256);
    await this.#write(sha256, { contentType, bytes, holders: withHolder(before?.holders ?? [], holder) });
    await rename(partial, path);
    await syncFolder(dirname(path));
    return reference;
  }

  /** Null: there is no such file, or that memory does not hold it: a hash alone gives nobody a file. */
  async find(sha256: string, holder: MediaHolder): Promise<KeptMedia | null> {
    const note = SHA256.test(sha256) ? await this.#note(sha256) : null;
    if (note === null || !note.holders.some((each) => isSame(each, holder))) return null;
    return { ...note, path: this.#pathOf(sha256), sha256 };
  }

  /** Every file, in no order. */
  async *files(): AsyncGenerator<KeptMedia> {
    for (const prefix of await namesIn(this.#path)) {
      if (prefix === "partial") continue;
      for (const name of await namesIn(join(this.#path, prefix))) {
        const sha256 = name.replace(/\.json$/, "");
        const note = name.endsWith(".json") && SHA256.test(sha256) ? await this.#note(sha256) : null;
        if (note !== null) yield { ...note, path: this.#pathOf(sha256), sha256 };
      }
    }
  }

  /** Keeps a file for `holders` only. Without any it is removed: the bytes first, so that no note is missing beside them. */
  async retain(sha256: string, holders: readonly MediaHolder[]): Promise<void> {
    const note = await this.#note(sha256);
    if (note === null) return;
    if (holders.length > 0) {
      await this.#write(sha256, { ...note, holders });
      return;
    }
    await rm(this.#pathOf(sha256), { force: true });
    await rm(`${this.#pathOf(sha256)}.json`, { force: true });
  }

  /** Removes downloads that were given up. */
  async dropPartials(nowMs: number): Promise<void> {
    const folder = join(this.#path, "partial");
    for (const name of await namesIn(folder)) {
      const found = await statIfThere(join(folder, name));
      if (found !== null && nowMs - found.mtimeMs > PARTIAL_TTL_MS) await rm(join(folder, name), { force: true });
    }
  }

  #pathOf(sha256: string): string {
    return join(this.#path, sha256.slice(0, 2), sha256);
  }

  /** Null: there is none, or it is damaged; then the file counts as not there and is fetched again. */
  async #note(sha256: string): Promise<z.output<ReturnType<typeof noteSchema>> | null> {
    try {
      const note = noteSchema().safeParse(JSON.parse(await readFile(`${this.#pathOf(sha256)}.json`, "utf8")));
      return note.success ? note.data : null;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  async #write(sha256: string, note: Pick<KeptMedia, "contentType" | "bytes" | "holders">): Promise<void> {
    const path = `${this.#pathOf(sha256)}.json`;
    const draft = await open(`${path}.draft`, "w", 0o600);
    try {
      await draft.writeFile(JSON.stringify(note));
      await draft.sync();
    } finally {
      await draft.close();
    }
    await rename(`${path}.draft`, path);
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
  const file = await open(path, "r+");
  await file.sync();
  await file.close();
  return hash.digest("hex");
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

function withHolder(holders: readonly MediaHolder[], holder: MediaHolder): MediaHolder[] {
  const others = holders.filter((each) => !isSame(each, holder));
  return [...others, { namespace: holder.namespace, memoryId: holder.memoryId }];
}

function isSame(one: MediaHolder, other: MediaHolder): boolean {
  return one.namespace === other.namespace && one.memoryId === other.memoryId;
}
