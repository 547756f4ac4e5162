import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";

/**
 * A reference-counted open file. It stays readable while it has a holder, even after its path is removed by pruning or by
 * the removal of its folder. The last release closes it.
 */
export class HeldFile {
  readonly #descriptor: number;
  readonly bytes: number;
  #holders = 1;

  private constructor(path: string) {
    this.#descriptor = openSync(path, "r");
    this.bytes = fstatSync(this.#descriptor).size;
  }

  /** Opens the file at `path`. */
  static open(path: string): HeldFile {
    return new HeldFile(path);
  }

  /** Opens the file and unlinks it, so that the last release, or the end of this process, deletes it. */
  static take(path: string): HeldFile {
    const file = new HeldFile(path);
    rmSync(path);
    return file;
  }

  get descriptor(): number {
    return this.#descriptor;
  }

  retain(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders === 0) closeSync(this.#descriptor);
  }

  /** Fills `target` from `position`. @throws when the file is too short. */
  readAt(target: Uint8Array, position: number): void {
    let done = 0;
    while (done < target.byteLength) {
      const bytesRead = readSync(this.#descriptor, target, done, target.byteLength - done, position + done);
      if (bytesRead === 0) throw new Error(`the file ends at ${position + done} of ${this.bytes} bytes`);
      done += bytesRead;
    }
  }
}
