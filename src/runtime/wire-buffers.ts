/** Free buffers that are kept. */
const KEPT_MAX = 4;
/** Smaller ones come out of the allocator's own pool, or cost next to nothing. */
const BYTES_MIN = 64 * 1024;
/** Larger ones are not kept: 16 MiB in all. */
const BYTES_MAX = 4 * 1024 * 1024;

/**
 * Reusable memory for large commands. If each command allocated a new megabyte, the system would clear it first, and
 * every few dozen commands the garbage collector would walk the whole heap.
 */
export class WireBuffers {
  readonly #free: Buffer[] = [];

  /** A buffer of that length. Its contents are arbitrary. */
  take(bytes: number): Buffer {
    if (bytes < BYTES_MIN || bytes > BYTES_MAX) return Buffer.allocUnsafe(bytes);
    const at = this.#free.findIndex((buffer) => buffer.byteLength >= bytes);
    const [kept] = at < 0 ? [] : this.#free.splice(at, 1);
    return (kept ?? Buffer.allocUnsafeSlow(roundedUp(bytes))).subarray(0, bytes);
  }

  /** Takes a buffer back that came from `take`. The caller must not use it any more. */
  give(buffer: Buffer): void {
    if (buffer.byteLength < BYTES_MIN || buffer.byteLength > BYTES_MAX) return;
    if (this.#free.length === KEPT_MAX) this.#free.shift();
    this.#free.push(Buffer.from(buffer.buffer));
  }
}

/** Commands of about the same length can then reuse each other's buffers. */
function roundedUp(bytes: number): number {
  return Math.ceil(bytes / BYTES_MIN) * BYTES_MIN;
}
