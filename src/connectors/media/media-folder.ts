import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { jsonIfSound, statIfThere, textIfThere } from "../../runtime/if-there.ts";
import { syncFolder } from "../../runtime/sync-folder.ts";
import type { MediaReference } from "./media-reference.ts";

/** A memory that refers to a file. */
export interface MediaHolder {
  readonly namespace: string;
  readonly memoryId: string;
}

/** A file, and a memory that refers to it. */
export interface HeldMedia {
  readonly sha256: string;
  readonly holder: MediaHolder;
}

/** A file that is kept. */
export interface KeptMedia {
  readonly path: string;
  /** As the service gave it to the memory's item, with its parameters. */
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: string;
}

const noteSchema = lazily(() => z.object({ contentType: z.string(), namespace: z.string(), memoryId: z.string() }));
const holderSchema = lazily(() => z.object({ namespace: z.string(), memoryId: z.string() }));

const SHA256 = /^[0-9a-f]{64}$/;
/** A download that nobody went on with for so long is given up. */
const PARTIAL_TTL_MS = 7 * 86_400_000;
/** Times that a note is written whose folder is removed under it. */
const TRIES_MAX = 10;

/** The files of a download, by the path of its bytes. The one that names the memory is last: by it the others are found. */
export function filesOfPartial(path: string): readonly string[] {
  return [path, `${path}.copy`, `${path}.json`];
}

/**
 * Files of one connector by the hash of their content: equal ones are kept once. The run that has the connector adds files; others may
 * read, and take away what no memory refers to, at the same time and from other machines.
 *
 *     <folder>/3f/3f9a…          the bytes
 *     <folder>/3f/3f9a….held/…   a note per memory that refers to them
 *     <folder>/3f/3f9a….going    the bytes, while they are being removed
 *     <folder>/partial/…         downloads that are not complete, and drafts
 *
 * A holder is noted before its memory is written, so a file that a memory refers to is never taken for unused. The folder of the notes
 * can be removed only while it is empty: that decides between one who notes and one who removes.
 */
export class MediaFolder {
  readonly #path: string;

  /** @param path made when the first file comes. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where a download is collected until it is whole. The same file of an item has the same one. */
  async partial(itemId: string, kind: string): Promise<string> {
    const name = createHash("sha256")
      .update(JSON.stringify([itemId, kind]))
      .digest("hex");
    return join(await this.#drafts(), name);
  }

  /** Takes a whole download in. Durable once it resolves. @param partial is gone then. */
  async keep(partial: string, kind: string, contentType: string, holder: MediaHolder): Promise<MediaReference> {
    const { size: bytes } = await stat(partial);
    const sha256 = await hashOf(partial);
    const path = this.#pathOf(sha256);
    await this.#note(sha256, contentType, holder);
    await rename(partial, path);
    await syncFolder(dirname(path));
    return { kind, contentType, bytes, sha256 };
  }

  /** Null: there is no such file, or that memory does not hold it: a hash alone gives nobody a file. */
  async find(sha256: string, holder: MediaHolder): Promise<KeptMedia | null> {
    if (!SHA256.test(sha256)) return null;
    const note = noteSchema().safeParse(jsonIfSound(await textIfThere(this.#noteOf(sha256, holder))));
    const found = note.success ? await statIfThere(this.#pathOf(sha256)) : null;
    if (!note.success || found === null) return null;
    return { path: this.#pathOf(sha256), contentType: note.data.contentType, bytes: found.size, sha256 };
  }

  /** Memories that a file is kept for, in no order. */
  async *holders(sha256: string): AsyncGenerator<MediaHolder> {
    if (!SHA256.test(sha256)) return;
    const folder = this.#heldOf(sha256);
    for (const name of await namesIn(folder)) {
      const note = noteSchema().safeParse(jsonIfSound(await textIfThere(join(folder, name))));
      if (note.success) yield { namespace: note.data.namespace, memoryId: note.data.memoryId };
    }
  }

  /** Every file with every memory that it is kept for, in no order. */
  async *held(): AsyncGenerator<HeldMedia> {
    for await (const sha256 of this.#named(/^([0-9a-f]{64})\.held$/)) {
      for await (const holder of this.holders(sha256)) yield { sha256, holder };
    }
  }

  /** A moment by the clock of the folder's disk, before which holders were noted or not; null: there is no folder yet. */
  async moment(): Promise<number | null> {
    if ((await statIfThere(this.#path)) === null) return null;
    const path = join(await this.#drafts(), "moment");
    await writeFile(path, randomUUID(), { mode: 0o600 });
    return (await stat(path)).mtimeMs;
  }

  /** When the folder was last tidied, in milliseconds since 1970; null: never. */
  async tidiedAt(): Promise<number | null> {
    return (await statIfThere(join(this.#path, "partial", "tidied")))?.mtimeMs ?? null;
  }

  /**
   * Does not keep a file for a memory any more, unless it was noted anew after `moment`. Without any holder the file is removed.
   * @returns bytes that were removed; null: the file is still kept, for others or for this one.
   */
  async release({ sha256, holder }: HeldMedia, moment: number): Promise<number | null> {
    const note = this.#noteOf(sha256, holder);
    const noted = await statIfThere(note);
    if (noted !== null && noted.mtimeMs > moment) return null;
    await rm(note, { force: true });
    return await this.#removeUnheld(sha256);
  }

  /** Removes downloads that were given up, and finishes removals that a crash cut short. */
  async tidy(nowMs: number): Promise<void> {
    if ((await statIfThere(this.#path)) === null) return;
    const folder = await this.#drafts();
    for (const name of await namesIn(folder)) {
      const found = await statIfThere(join(folder, name));
      if (found !== null && nowMs - found.mtimeMs > PARTIAL_TTL_MS) await rm(join(folder, name), { force: true });
    }
    await this.finishRemovals();
    await writeFile(join(folder, "tidied"), "", { mode: 0o600 });
  }

  /** Finishes removals that a crash cut short, or that another process has under way: their files have no holder by which they are found. */
  async finishRemovals(): Promise<void> {
    for await (const sha256 of this.#named(/^([0-9a-f]{64})\.held$/)) await this.#removeUnheld(sha256);
    for await (const sha256 of this.#named(/^([0-9a-f]{64})\.going$/)) {
      const isHeld = (await namesIn(this.#heldOf(sha256))).length > 0;
      if (isHeld) await this.#putBack(sha256);
      else await rm(`${this.#pathOf(sha256)}.going`, { force: true });
    }
  }

  /** Downloads that are not complete, each with the memory that it is for. */
  async *partials(): AsyncGenerator<{ readonly path: string; readonly holder: MediaHolder }> {
    const folder = join(this.#path, "partial");
    for (const name of await namesIn(folder)) {
      if (!name.endsWith(".json")) continue;
      const note = holderSchema().safeParse(jsonIfSound(await textIfThere(join(folder, name))));
      if (note.success) yield { path: join(folder, name.replace(/\.json$/, "")), holder: note.data };
    }
  }

  async #note(sha256: string, contentType: string, { namespace, memoryId }: MediaHolder): Promise<void> {
    const draft = join(await this.#drafts(), `${randomUUID()}.note`);
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify({ contentType, namespace, memoryId }));
      await file.sync();
    } finally {
      await file.close();
    }
    const folder = this.#heldOf(sha256);
    for (let tries = 1; ; tries++) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      try {
        await rename(draft, this.#noteOf(sha256, { namespace, memoryId }));
        break;
      } catch (error) {
        // Somebody removed the empty folder in between.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT" || tries === TRIES_MAX) throw error;
      }
    }
    await syncFolder(folder);
  }

  async #removeUnheld(sha256: string): Promise<number | null> {
    const [path, folder] = [this.#pathOf(sha256), this.#heldOf(sha256)];
    if ((await namesIn(folder)).length > 0) return null;
    const bytes = (await statIfThere(path))?.size ?? 0;
    // Out of the way first: one who notes the file from here on brings bytes of its own, which must stay.
    await unlessMissing(rename(path, `${path}.going`));
    try {
      await rmdir(folder);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (["ENOTEMPTY", "EEXIST"].includes(code)) {
        await this.#putBack(sha256);
        return null;
      }
      if (code !== "ENOENT") throw error;
    }
    await rm(`${path}.going`, { force: true });
    return bytes;
  }

  /** The bytes have the same name because they are the same: whichever stay are right. */
  async #putBack(sha256: string): Promise<void> {
    await unlessMissing(rename(`${this.#pathOf(sha256)}.going`, this.#pathOf(sha256)));
  }

  /** What names match, by their first group. */
  async *#named(pattern: RegExp): AsyncGenerator<string> {
    for (const prefix of await namesIn(this.#path)) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
      for (const name of await namesIn(join(this.#path, prefix))) {
        const [, found] = pattern.exec(name) ?? [];
        if (found !== undefined) yield found;
      }
    }
  }

  async #drafts(): Promise<string> {
    const folder = join(this.#path, "partial");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  #pathOf(sha256: string): string {
    return join(this.#path, sha256.slice(0, 2), sha256);
  }

  #heldOf(sha256: string): string {
    return `${this.#pathOf(sha256)}.held`;
  }

  #noteOf(sha256: string, { namespace, memoryId }: MediaHolder): string {
    const name = createHash("sha256")
      .update(JSON.stringify([namespace, memoryId]))
      .digest("hex");
    return join(this.#heldOf(sha256), name);
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

async function unlessMissing(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
