import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { HostError } from "./host-error.ts";

/** Room that must be left besides a file: others write here too, and FAISS aborts the process when a write fails. */
const RESERVE_BYTES = 8 * 1024 * 1024;

/** Short-lived files on the first of several folders that has room. */
export class ScratchSpace {
  readonly #folders: readonly string[];
  #next = 0;

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** A path at which `bytes` bytes can be written. @throws {HostError} NO_ROOM */
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

  /** Calls `use` with a path as above and removes the file afterwards. */
  using<T>(bytes: number, use: (path: string) => T): T {
    const path = this.pathFor(bytes);
    try {
      return use(path);
    } finally {
      rmSync(path, { force: true });
    }
  }

  /** Removes the folders themselves: the owner is gone and can't. */
  removeAll(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}
