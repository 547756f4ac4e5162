import { promisify } from "node:util";
import { gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";

/** The fastest level: three quarters of what the slowest one saves, in a tenth of its time. */
const LEVEL = 1;
/**
 * Bytes that are packed in this thread, in some tenths of a millisecond at most. The way to zlib's threads and back takes more
 * processor time than packing a push of 50 changes.
 */
const PACKED_AT_ONCE_MAX = 65_536;
/** Bytes that are unpacked in this thread. */
const UNPACKED_AT_ONCE_MAX = 65_536;
/** Bytes that come out of that, at most: about a millisecond. */
const AT_ONCE_RESULT_MAX = 262_144;

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** `bytes` as gzip. */
export async function packed(bytes: Uint8Array): Promise<Buffer> {
  return bytes.byteLength <= PACKED_AT_ONCE_MAX
    ? gzipSync(bytes, { level: LEVEL })
    : await pack(bytes, { level: LEVEL });
}

/** Whether so many bytes are few enough for `unpackedAtOnce`. */
export function mayUnpackAtOnce(bytes: number): boolean {
  return bytes <= UNPACKED_AT_ONCE_MAX;
}

/** Inflates gzip in this thread. @returns null: the result is over 256 KiB, which would take too long here. @throws {Error} The gzip is cut short, or is none. */
export function unpackedAtOnce(bytes: Uint8Array): Buffer | null {
  try {
    return gunzipSync(bytes, { maxOutputLength: AT_ONCE_RESULT_MAX });
  } catch (error) {
    if (isTooLarge(error)) return null;
    throw error;
  }
}

/** Inflates gzip. @returns null: the result is over `bytesMax` bytes. @throws {Error} The gzip is cut short, or is none. */
export async function unpacked(bytes: Uint8Array, bytesMax: number): Promise<Buffer | null> {
  const small = mayUnpackAtOnce(bytes.byteLength) ? unpackedAtOnce(bytes) : null;
  if (small !== null) return small.byteLength <= bytesMax ? small : null;
  try {
    return await unpack(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    if (isTooLarge(error)) return null;
    throw error;
  }
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}
