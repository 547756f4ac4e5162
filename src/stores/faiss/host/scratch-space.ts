import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { HostError } from "./host-error.ts";

/** Free bytes to leave beside a file: other programs write here too, and FAISS aborts the process when a write fails. */
const RESERVE_BYTES = 8 * 1024 * 1024;

/** Short-lived files in the first folder that has room. */
export class ScratchSpace {
  readonly #folders: readonly string[];
  #next = 0;

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** A path with room for `bytes` bytes. @throws {HostError} NO_ROOM */
  pathFor(bytes: number): string {
    const reasons: string[] = [];
    for (const folder of this.#folders) {
      try {
        const { bavail, bsize } = statfsSync(folder);
        if (bavail * bsize >= bytes + RESERVE_BYTES) return join(folder, `host-${this.#next++}`);
        reasons.push(`${folder} has ${bavail * bsize} bytes left`);
      } catch (error) {
        reasons.push((error as Error).message);
      }
    }
    throw new HostError("NO_ROOM", `no room for a file of ${bytes} bytes: ${reasons.join("; ")}`);
  }

  /** Calls `use` with such a path and removes the file afterwards. */
  using<T>(bytes: number, use: (path: string) => T): T {
    const path = this.pathFor(bytes);
    try {
      return use(path);
    } finally {
      rmSync(path, { force: true });
    }
  }

  /** Removes the folders themselves, because the owner is gone and cannot. */
  removeAll(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}
