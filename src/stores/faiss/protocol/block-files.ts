import { randomBytes } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { FILE_MODE } from "../snapshots/private-files.ts";
import { type FlatBlock, FlatBlockBuffer } from "./flat-block.ts";
import type { VectorShape } from "./metric.ts";

/** Memory and files that are kept for the next block; each is at most `KEPT_BYTES_MAX` long. */
const KEPT_MAX = 4;
const KEPT_BYTES_MAX = 16 * 1024 * 1024;

/** A block of vectors to fill in, and the file in which it reaches the host. */
export interface BlockFile {
  readonly block: FlatBlock;
  /** Writes the block. @returns the path of its file; null when no folder has room. */
  write(): Promise<string | null>;
  /** The host has taken it: memory and file serve the next block. */
  reuse(): void;
  /** Nobody knows whether the host still reads it: the file is removed and not written again. */
  abandon(): Promise<void>;
}

interface Kept {
  readonly buffer: FlatBlockBuffer;
  file: { readonly handle: FileHandle; readonly path: string } | null;
}

/**
 * Where blocks of vectors are put together on their way to one host process. A new block's memory has to be cleared, a
 * new file's pages found and cleared, and all of it given back: reusing both took half of the time off a fill. As many
 * blocks are under way as there are calls, so one is filled while another is written and a third one read by the host.
 */
export class BlockFiles {
  readonly #folders: readonly string[];
  readonly #idle: Kept[] = [];
  #isClosed = false;

  /** @param folders best first. Whoever made them removes them. */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  take(shape: VectorShape, rows: number): BlockFile {
    const kept = this.#idle.pop() ?? { buffer: new FlatBlockBuffer(), file: null };
    const block = kept.buffer.block(shape, rows);
    return {
      block,
      write: () => this.#write(kept, block.bytes),
      reuse: () => this.#keep(kept),
      abandon: async () => {
        const { file } = kept;
        kept.file = null;
        this.#keep(kept);
        if (file === null) return;
        await file.handle.close();
        await rm(file.path, { force: true });
      },
    };
  }

  /** The host has ended: nothing of it is read any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { file } of this.#idle.splice(0)) await file?.handle.close();
  }

  #keep(kept: Kept): void {
    if (!this.#isClosed && this.#idle.length < KEPT_MAX && kept.buffer.byteLength <= KEPT_BYTES_MAX) {
      this.#idle.push(kept);
      return;
    }
    const { file } = kept;
    if (file === null) return;
    const removed = file.handle.close().then(() => rm(file.path, { force: true }));
    // The folder may be gone together with the host; it takes the file with it.
    removed.catch(() => undefined);
  }

  async #write(kept: Kept, bytes: Buffer): Promise<string | null> {
    if (kept.file !== null && (await written(kept.file.handle, bytes))) return kept.file.path;
    await kept.file?.handle.close();
    kept.file = null;
    for (const folder of this.#folders) {
      const path = join(folder, `block-${randomBytes(8).toString("hex")}`);
      try {
        const handle = await open(path, "wx", FILE_MODE);
        if (await written(handle, bytes)) {
          kept.file = { handle, path };
          return path;
        }
        await handle.close();
      } catch {
        // Gone together with the host, or not to be written: the next folder, or else the message itself, takes it.
      }
      await rm(path, { force: true });
    }
    return null;
  }
}

/** Whether all of it could be written. */
async function written(handle: FileHandle, bytes: Buffer): Promise<boolean> {
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, done);
      done += bytesWritten;
    }
    return true;
  } catch {
    return false; // No room.
  }
}
