import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "../../../runtime/sync-folder.ts";
import { FILE_MODE, FOLDER_MODE, makeFolder } from "./private-files.ts";
import {
  decodeManifest,
  MANIFEST_NAME,
  type SnapshotFile,
  type SnapshotManifest,
  SnapshotRejection,
} from "./snapshot-manifest.ts";

const CHUNK_BYTES = 1024 * 1024;
const UNREADABLE_MAX = 2;
const UNREADABLE = ".unreadable";
const TEMPORARY = ".tmp-";

/**
 * `<directory>/snapshots`: one folder per snapshot, named by its sequence number. A folder is renamed to its number only
 * after all its files are durable, so a numbered folder was complete when it was written.
 */
export class SnapshotFolder {
  readonly #path: string;

  constructor(directory: string) {
    this.#path = join(directory, "snapshots");
  }

  pathOf(sequence: number): string {
    return join(this.#path, String(sequence).padStart(8, "0"));
  }

  /** Newest first. */
  async sequences(): Promise<number[]> {
    const names = await this.#names();
    return names
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => b - a);
  }

  /** Removes the files of interrupted snapshots. Call it only while no snapshot is being written. */
  async removeTemporary(): Promise<void> {
    for (const name of await this.#names()) {
      if (name.startsWith(TEMPORARY)) await rm(join(this.#path, name), { recursive: true, force: true });
    }
  }

  /** Sets an unusable snapshot aside for inspection; keeps only the newest few. */
  async setAside(sequence: number): Promise<void> {
    const path = this.pathOf(sequence);
    await rm(`${path}${UNREADABLE}`, { recursive: true, force: true });
    await rename(path, `${path}${UNREADABLE}`);
    const names = (await this.#names()).filter((name) => name.endsWith(UNREADABLE)).sort();
    for (const name of names.slice(0, -UNREADABLE_MAX)) await rm(join(this.#path, name), { recursive: true });
  }

  /**
   * Lets `fill` write the files of a new snapshot into a temporary folder, makes them durable, and then renames the folder to
   * its sequence number. @returns the number.
   */
  async create(fill: (writer: SnapshotWriter) => Promise<string>): Promise<number> {
    await makeFolder(this.#path);
    await this.removeTemporary();
    const used = (await this.#names()).map((name) => Number.parseInt(name, 10)).filter(Number.isSafeInteger);
    const sequence = Math.max(0, ...used) + 1;
    const temporary = join(this.#path, `${TEMPORARY}${sequence}`);
    await mkdir(temporary, { mode: FOLDER_MODE });
    try {
      const writer = new SnapshotWriter(temporary);
      const manifest = await fill(writer);
      await writer.write(MANIFEST_NAME, [Buffer.from(manifest, "utf8")]);
      await syncFolder(temporary);
      await rename(temporary, this.pathOf(sequence));
      await syncFolder(this.#path);
      return sequence;
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => {
        // Report the first error; the next snapshot removes the remaining files.
      });
      throw error;
    }
  }

  /** Removes all but the newest `keep`. */
  async prune(keep: number): Promise<void> {
    for (const sequence of (await this.sequences()).slice(keep)) {
      await rm(this.pathOf(sequence), { recursive: true, force: true });
    }
  }

  /** Removes the snapshots that were set aside for inspection. */
  async removeSetAside(): Promise<void> {
    for (const name of await this.#names()) {
      if (name.endsWith(UNREADABLE)) await rm(join(this.#path, name), { recursive: true, force: true });
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // The first snapshot creates the folder.
      throw error;
    }
  }
}

/** Writes durable files into one folder and records their checksums. */
export class SnapshotWriter {
  readonly files: SnapshotFile[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const hash = createHash("sha256");
    const file = await open(join(this.#folder, name), "wx", FILE_MODE);
    let bytes = 0;
    try {
      for await (const chunk of chunks) {
        hash.update(chunk);
        // writeFile continues after a short write; a plain write does not.
        await file.writeFile(chunk);
        bytes += chunk.byteLength;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    this.files.push({ name, bytes, sha256: hash.digest("hex") });
  }
}

/** The bytes of a file from `start` to `end`, piece by piece. */
export async function* readChunks(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, "r");
  try {
    let at = start;
    while (at < end) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at));
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at);
      if (bytesRead === 0) throw new Error(`${path} ends at ${at}, before ${end}`);
      yield chunk.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Text of the manifest in a snapshot's folder. @throws {SnapshotRejection} */
export async function readManifestText(folder: string): Promise<string> {
  try {
    return await readFile(join(folder, MANIFEST_NAME), "utf8");
  } catch (error) {
    throw new SnapshotRejection("set_aside", `the manifest cannot be read: ${(error as Error).message}`);
  }
}

/** Verifies the size and SHA-256 of a snapshot file. @throws {SnapshotRejection} */
export async function verifyFile(folder: string, expected: SnapshotFile): Promise<void> {
  const path = join(folder, expected.name);
  let found: string;
  try {
    const { size } = await stat(path);
    if (size !== expected.bytes) {
      throw new SnapshotRejection("set_aside", `${expected.name} has ${size} bytes instead of ${expected.bytes}`);
    }
    found = await hashFile(path);
  } catch (error) {
    if (error instanceof SnapshotRejection) throw error;
    throw new SnapshotRejection("set_aside", `${expected.name} cannot be read: ${(error as Error).message}`);
  }
  if (found !== expected.sha256) {
    throw new SnapshotRejection("set_aside", `${expected.name} does not have the checksum that the manifest says`);
  }
}

/** Reads in chunks through one buffer, and yields to the event loop after each chunk. */
async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = await open(path, "r");
  try {
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Whether every file of a snapshot has the size and the checksum in its manifest. Never rejects. */
export async function isProven(folder: string, signal: AbortSignal): Promise<boolean> {
  try {
    const manifest = decodeManifest(await readManifestText(folder));
    for (const file of manifest.files) {
      if (signal.aborted) return false;
      await verifyFile(folder, file);
    }
    return true;
  } catch {
    return false; // The load hits the same error and reports it.
  }
}

/** The manifest of a snapshot; null when it cannot be read: the host reports the reason. */
export async function readManifest(folder: string): Promise<SnapshotManifest | null> {
  try {
    return decodeManifest(await readManifestText(folder));
  } catch {
    return null;
  }
}
