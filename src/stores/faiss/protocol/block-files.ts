import { randomBytes } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { FILE_MODE } from "../snapshots/private-files.ts";
import { type FlatBlock, FlatBlockBuffer } from "./flat-block.ts";
import type { VectorShape } from "./metric.ts";

/** Reusable buffers and files; each is at most `KEPT_BYTES_MAX` long. */
const KEPT_MAX = 4;
const KEPT_BYTES_MAX = 16 * 1024 * 1024;

/** A block of vectors to fill, and the file that carries it to the host. */
export interface BlockFile {
  readonly block: FlatBlock;
  /** Writes the block. @returns the path of its file; null when no folder has room. */
  write(): Promise<string | null>;
  /** The host has read the block: its memory and file are reused. */
  reuse(): void;
  /** The host may still be reading the file: it is removed, and never reused. */
  abandon(): Promise<void>;
}

interface Kept {
  readonly buffer: FlatBlockBuffer;
  file: { readonly handle: FileHandle; readonly path: string } | null;
}

/**
 * A pool of buffers and files for the vector blocks sent to one host process. New memory must be zeroed, and the pages of
 * a new file allocated, zeroed and freed: reuse halved the time of a fill. There is one block per call in progress, so
 * this process fills one block, writes another, and the host reads a third, at the same time.
 */
export class BlockFiles {
  readonly #folders: readonly string[];
  readonly #idle: Kept[] = [];
  #isClosed = false;

  /** @param folders best first. The caller creates and removes them. */
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

  /** Releases everything after the host has ended and reads no file any more. */
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
    // The folder, and the file in it, may be gone together with the host.
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
        // The folder is gone with the host, or not writable: try the next folder; the last resort is the message itself.
      }
      await rm(path, { force: true });
    }
    return null;
  }
}

/** Whether the whole block was written. */
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
