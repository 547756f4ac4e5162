import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";

/**
 * A file that is read for as long as somebody holds it, whatever becomes of its name: a snapshot that is pruned, a
 * folder that is cleared away. It is closed when the last holder lets go.
 */
export class HeldFile {
  readonly #descriptor: number;
  readonly bytes: number;
  #holders = 1;

  private constructor(path: string) {
    this.#descriptor = openSync(path, "r");
    this.bytes = fstatSync(this.#descriptor).size;
  }

  /** Holds the file at `path`. */
  static open(path: string): HeldFile {
    return new HeldFile(path);
  }

  /** Holds it and takes its name away, so that it is gone with its last holder, and with this process. */
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

  /** Fills `target` with what stands at `position`. @throws when the file ends before. */
  readAt(target: Uint8Array, position: number): void {
    let done = 0;
    while (done < target.byteLength) {
      const bytesRead = readSync(this.#descriptor, target, done, target.byteLength - done, position + done);
      if (bytesRead === 0) throw new Error(`the file ends at ${position + done} of ${this.bytes} bytes`);
      done += bytesRead;
    }
  }
}
