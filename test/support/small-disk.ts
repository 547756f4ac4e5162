import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, statfsSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Room for two clusters of a run, a copy of each, and their logs; memory is taken for what is written only. */
const SIZE = "2g";
/** Left when the disk is full: some pages, so that small writes go on for a moment. */
const LEFT_BYTES = 256 * 1024;

/** A disk of PostgreSQL's own, in memory, that can be full and have room again. */
export class SmallDisk {
  readonly folder: string;
  /** Unmounts the disk when this process ends without doing it, however it ends. */
  readonly #guard: ChildProcess;

  private constructor(folder: string) {
    this.folder = folder;
    const script = 'cat; umount -l "$1" && rmdir "$1"';
    this.#guard = spawn("/bin/sh", ["-c", script, "sh", folder], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#guard.unref();
    (this.#guard.stdin as Socket | null)?.unref();
  }

  /** @returns null where this user may not mount anything: the reason is logged. */
  static mount(log: (line: string) => void): SmallDisk | null {
    const folder = mkdtempSync(join(tmpdir(), "mnemosync-disk-"));
    const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", folder], {
      encoding: "utf8",
    });
    if (status === 0) return new SmallDisk(folder);
    rmdirSync(folder);
    log(`skipped: PostgreSQL's disk full: no tmpfs can be mounted here (${error?.message ?? stderr.trim()})`);
    return null;
  }

  /** Leaves no room: every write that needs a new block fails with ENOSPC. */
  fill(): void {
    const { blocks, bfree, bsize } = statfsSync(this.folder);
    this.#resize(`${(blocks - bfree) * bsize + LEFT_BYTES}`);
  }

  makeRoom(): void {
    this.#resize(SIZE);
  }

  unmount(): void {
    // Lazily: a process of a server that was killed may need a moment to let go of its files.
    spawnSync("umount", ["-l", this.folder]);
    rmdirSync(this.folder);
    this.#guard.stdin?.end();
  }

  #resize(size: string): void {
    const { status, stderr } = spawnSync("mount", ["-o", `remount,size=${size}`, this.folder], { encoding: "utf8" });
    if (status !== 0) throw new Error(`resizing ${this.folder}: ${stderr}`);
  }
}
