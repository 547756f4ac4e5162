import { copyFile, type FileHandle, open, rename, rm, writeFile } from "node:fs/promises";
import * as z from "zod";
import { jsonIfSound, statIfThere, textIfThere } from "../../runtime/if-there.ts";
import { type RetryOptions, waitAfter } from "../service/retrying.ts";
import { ServiceError } from "../service/service-error.ts";
import { filesOfPartial, type MediaFolder, type MediaHolder } from "./media-folder.ts";
import { isMediaType, type MediaReference } from "./media-reference.ts";

/** A file as it arrives. */
export interface ArrivingMedia {
  readonly contentType: string;
  /** Where in the file the bytes begin. */
  readonly offset: number;
  /** Null where the service does not say. */
  readonly total: number | null;
  /** Names this content of the file, to the byte; null where the service does not. */
  readonly validator: string | null;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Asks the service for a file, once. Where there is none, `read` is not called. */
export type FetchMedia = (
  read: (media: ArrivingMedia) => Promise<void>,
  options: { readonly offset: number; readonly validator?: string | undefined; readonly signal: AbortSignal },
) => Promise<unknown>;

export interface MediaWanted {
  readonly itemId: string;
  readonly kind: string;
  /** The memory that is going to refer to it. */
  readonly holder: MediaHolder;
  /** Bytes of a file, at most. @default 104_857_600 */
  readonly bytesMax?: number;
}

const BYTES_MAX = 104_857_600;

/** The file is not one that is kept, whatever is tried. */
class MediaRefused extends Error {}

/**
 * Fetches a file into the folder: streamed, at most so many bytes, of a fitting type, and going on after a connection that
 * was cut, also where that was in an earlier run.
 * @param retry how often it is asked for: each time from where the last one ended.
 * @returns what metadata say of it, or why it could not be had. @throws {ServiceError} authentication. @throws the reason of `signal`.
 */
export async function fetchMedia(
  folder: MediaFolder,
  wanted: MediaWanted,
  fetch: FetchMedia,
  retry: RetryOptions,
  signal: AbortSignal,
): Promise<MediaReference | { readonly lost: string }> {
  try {
    const partial = new PartialFile(await folder.partial(wanted.itemId, wanted.kind), wanted.holder);
    const contentType = await arrived(partial, wanted, fetch, retry, signal);
    if (contentType === null) return { lost: "the service has no such file" };
    const kept = await folder.keep(partial.path, wanted.kind, contentType, wanted.holder);
    await partial.drop();
    return kept;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ServiceError && error.failure === "authentication") throw error;
    return { lost: error instanceof Error ? error.message : String(error) };
  }
}

/** @returns the content type; null: there is no such file. */
async function arrived(
  partial: PartialFile,
  { kind, bytesMax = BYTES_MAX }: MediaWanted,
  fetch: FetchMedia,
  retry: RetryOptions,
  signal: AbortSignal,
): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    const place = await partial.place();
    let contentType: string | null = null;
    try {
      await fetch(
        async (media) => {
          if (!isMediaType(kind, media.contentType)) {
            throw new MediaRefused(`it is ${media.contentType || "of no type"}: expected one of ${kind}`);
          }
          await partial.take(media, place, bytesMax);
          contentType = media.contentType;
        },
        { offset: place.offset, ...(place.validator !== null && { validator: place.validator }), signal },
      );
      return contentType;
    } catch (error) {
      if (error instanceof MediaRefused) {
        await partial.drop();
        throw error;
      }
      const status = error instanceof ServiceError ? error.status : undefined;
      // The part that is here is of no use: it is longer than the file by now, or the rest of it is not to be had.
      const isUseless = status === 416 || status === 206 || error instanceof OtherPart;
      if (place.offset > 0 && isUseless) {
        await partial.drop();
        if (status !== undefined) continue;
      }
      await waitAfter(error, attempt, retry, signal);
    }
  }
}

/** The answer is not the rest of the file that was asked for: what has arrived before would be mixed with another file. */
class OtherPart extends ServiceError {
  constructor(found: string) {
    super("transient", found);
  }
}

/** Where a download goes on, and of which content of the file the part is. */
interface Place {
  readonly offset: number;
  readonly validator: string | null;
}

const noteSchema = () => z.object({ validator: z.string(), total: z.int().min(0).nullable() });

/** The part of a file that has arrived, and beside it which content of the file it is of. */
class PartialFile {
  readonly path: string;
  readonly #holder: MediaHolder;
  /** Whether the part on disk is from this object, and not from an earlier run. */
  #isOwn = false;

  constructor(path: string, holder: MediaHolder) {
    this.path = path;
    this.#holder = holder;
  }

  /** Where to go on. A part whose content has no name is begun anew: nobody could tell whether the rest is of the same file. */
  async place(): Promise<Place> {
    const size = (await statIfThere(this.path))?.size ?? 0;
    const note = await this.#note();
    return size > 0 && note !== null ? { offset: size, validator: note.validator } : { offset: 0, validator: null };
  }

  async take(media: ArrivingMedia, asked: Place, bytesMax: number): Promise<void> {
    const { offset, total, validator } = media;
    if (total !== null && total > bytesMax)
      throw new MediaRefused(`it has ${total} bytes: at most ${bytesMax} are kept`);
    if (offset > 0) await this.#assertRest(media, asked);
    await this.#prepare(offset);
    const file = await open(this.path, offset === 0 ? "w" : "r+", 0o600);
    try {
      const note = { ...this.#holder, ...(validator !== null && { validator, total }) };
      await writeFile(`${this.path}.json`, JSON.stringify(note), { mode: 0o600 });
      const size = await written(file, media, bytesMax);
      if (size === 0) throw new MediaRefused("it is empty");
      if (total !== null && size < total) {
        throw new ServiceError("transient", `${size} of ${total} bytes of a file came, and then its end`);
      }
      if (total !== null && size > total) throw new OtherPart(`${size} bytes of a file of ${total} came`);
    } finally {
      await file.close();
    }
  }

  async drop(): Promise<void> {
    for (const path of filesOfPartial(this.path)) await rm(path, { force: true });
  }

  /** A server that does not know If-Range, or a cache before it, sends the rest of whatever the file is by now. */
  async #assertRest({ offset, total, validator }: ArrivingMedia, asked: Place): Promise<void> {
    if (offset !== asked.offset)
      throw new OtherPart(`it was asked for the bytes from ${asked.offset} on, and gave those from ${offset} on`);
    if (asked.validator === null || validator !== asked.validator)
      throw new OtherPart("the file has changed while it came, or the server does not say whether it has");
    const before = (await this.#note())?.total ?? null;
    if (before !== null && total !== null && total !== before)
      throw new OtherPart(`the file had ${before} bytes, and has ${total} now`);
  }

  /** A process that lost its run may still have the part open: its last bytes must not get into this file. */
  async #prepare(offset: number): Promise<void> {
    if (this.#isOwn) return;
    if (offset === 0) await rm(this.path, { force: true });
    else {
      await copyFile(this.path, `${this.path}.copy`);
      await rename(`${this.path}.copy`, this.path);
    }
    this.#isOwn = true;
  }

  async #note(): Promise<{ readonly validator: string; readonly total: number | null } | null> {
    const note = noteSchema().safeParse(jsonIfSound(await textIfThere(`${this.path}.json`)));
    return note.success ? note.data : null;
  }
}

/** @returns the bytes that the file has then. */
async function written(file: FileHandle, { offset, bytes }: ArrivingMedia, bytesMax: number): Promise<number> {
  let size = offset;
  await file.truncate(offset);
  for await (const part of bytes) {
    if (size + part.byteLength > bytesMax) throw new MediaRefused(`it has over ${bytesMax} bytes`);
    await file.write(part, 0, part.byteLength, size);
    size += part.byteLength;
  }
  return size;
}
