import { type FileHandle, open, rm, writeFile } from "node:fs/promises";
import * as z from "zod";
import { statIfThere, textIfThere } from "../../runtime/if-there.ts";
import { type RetryOptions, waitAfter } from "../service/retrying.ts";
import { ServiceError } from "../service/service-error.ts";
import type { MediaFolder, MediaHolder } from "./media-folder.ts";
import { isMediaType, type MediaReference } from "./media-reference.ts";

/** A file as it arrives. */
export interface ArrivingMedia {
  readonly contentType: string;
  /** Where in the file the bytes begin. */
  readonly offset: number;
  /** Null where the service does not say. */
  readonly total: number | null;
  /** Names this content of the file; null where the service does not. */
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
    const partial = new PartialFile(await folder.partial(wanted.itemId, wanted.kind));
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
    const { offset, validator } = await partial.place();
    let contentType: string | null = null;
    try {
      await fetch(
        async (media) => {
          if (!isMediaType(kind, media.contentType)) {
            throw new MediaRefused(`it is ${media.contentType || "of no type"}: expected one of ${kind}`);
          }
          await partial.take(media, bytesMax);
          contentType = media.contentType;
        },
        { offset, ...(validator !== null && { validator }), signal },
      );
      return contentType;
    } catch (error) {
      if (error instanceof MediaRefused) {
        await partial.drop();
        throw error;
      }
      // The part that is here is longer than the file by now.
      if (error instanceof ServiceError && error.status === 416 && offset > 0) await partial.drop();
      else await waitAfter(error, attempt, retry, signal);
    }
  }
}

const noteSchema = () => z.object({ validator: z.string() });

/** The part of a file that has arrived, and beside it which content of the file it is of. */
class PartialFile {
  readonly path: string;
  /** Bytes of the whole file, as the last answer had it. */
  #total: number | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Where to go on. A part whose content has no name is of use for a moment only, and where the length stays the same: a later run
   * may meet another file.
   */
  async place(): Promise<{ readonly offset: number; readonly validator: string | null }> {
    const size = (await statIfThere(this.path))?.size ?? 0;
    const note = noteSchema().safeParse(jsonOf((await textIfThere(`${this.path}.json`)) ?? ""));
    if (size > 0 && note.success) return { offset: size, validator: note.data.validator };
    return { offset: this.#total === null ? 0 : size, validator: null };
  }

  async take(media: ArrivingMedia, bytesMax: number): Promise<void> {
    const { offset, total, validator } = media;
    if (total !== null && total > bytesMax)
      throw new MediaRefused(`it has ${total} bytes: at most ${bytesMax} are kept`);
    if (offset > 0 && validator === null && total !== this.#total) {
      this.#total = null;
      throw new ServiceError("transient", "the file has changed while it came");
    }
    this.#total = total;
    const file = await open(this.path, offset === 0 ? "w" : "r+", 0o600);
    try {
      if (validator === null) await rm(`${this.path}.json`, { force: true });
      else await writeFile(`${this.path}.json`, JSON.stringify({ validator }), { mode: 0o600 });
      const size = await written(file, media, bytesMax);
      if (size === 0) throw new MediaRefused("it is empty");
      if (total !== null && size < total) {
        throw new ServiceError("transient", `${size} of ${total} bytes of a file came, and then its end`);
      }
    } finally {
      await file.close();
    }
  }

  async drop(): Promise<void> {
    this.#total = null;
    for (const path of [this.path, `${this.path}.json`]) await rm(path, { force: true });
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

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
