import type { EdgeFile } from "../file/edge-file.ts";

/** Milliseconds without a call after which a file does what can wait. */
const IDLE_MS = 100;

/** Lets a file do what can wait in a moment without calls: otherwise a write has to do it. */
export class Resting {
  readonly #timer: NodeJS.Timeout;

  constructor(file: Pick<EdgeFile, "idle">) {
    this.#timer = setTimeout(() => {
      // A lock that another process holds passes: the next rest tries again.
      if (attempt(file)) this.#timer.refresh();
    }, IDLE_MS);
    this.#timer.unref();
  }

  /** A call has come. */
  disturb(): void {
    this.#timer.refresh();
  }

  /** The file is about to be closed. */
  end(): void {
    clearTimeout(this.#timer);
  }
}

function attempt(file: Pick<EdgeFile, "idle">): boolean {
  try {
    return file.idle();
  } catch {
    return false; // A search or a write meets the same error, and tells it to its caller.
  }
}
