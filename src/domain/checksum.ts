import { createHash, hash } from "node:crypto";
import { endianness } from "node:os";
import { ConfigurationError } from "./errors.ts";
import { keyText, type MemoryKey } from "./keys.ts";

if (endianness() !== "LE") {
  throw new ConfigurationError("mnemosync stores float32 little-endian and runs on little-endian machines only");
}

const SEPARATOR = Buffer.from([0]);

/** Most memories fit: what is hashed is put together here, which costs half as much as feeding a hash piece by piece. */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024);
/** Bytes of UTF-8 for one UTF-16 code unit, at most. */
const UTF8_BYTES_MAX = 3;

/** Checksum of a memory whose document is `documentJson` in canonical form: hex, 64 characters, equal in every store. */
export function checksumOf(documentJson: string | Uint8Array, embedding: Float32Array | Uint8Array | null): string {
  const embeddingLength = embedding?.byteLength ?? 0;
  if (documentJson.length * UTF8_BYTES_MAX + 1 + embeddingLength <= SCRATCH.length) {
    let end = documentJson.length;
    if (typeof documentJson === "string") end = SCRATCH.write(documentJson, 0, "utf8");
    else SCRATCH.set(documentJson);
    SCRATCH[end++] = 0;
    if (embedding !== null) SCRATCH.set(bytesOf(embedding), end);
    return hash("sha256", SCRATCH.subarray(0, end + embeddingLength), "hex");
  }
  const sum = createHash("sha256");
  if (typeof documentJson === "string") sum.update(documentJson, "utf8");
  else sum.update(documentJson);
  sum.update(SEPARATOR);
  if (embedding !== null) sum.update(embedding);
  return sum.digest("hex");
}

/**
 * What one live entry adds to its bucket's digest: the first 8 bytes, as 16 hex digits, of
 * SHA-256(`namespace 0x00 memoryId 0x00 version 0x00 checksum`), version in decimal and checksum in hex.
 */
export function entryDigest(key: MemoryKey, version: number, checksum: string): string {
  return hash("sha256", `${keyText(key)}\u0000${version}\u0000${checksum}`, "hex").slice(0, 16);
}

function bytesOf(view: Float32Array | Uint8Array): Uint8Array {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The raw bytes of a vector: float32, little-endian. Shares its memory. */
export function embeddingBytes(embedding: Float32Array): Buffer {
  return Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength);
}

/** The vector that `bytes` holds. Copies, since bytes from a driver may stand at an odd offset. */
export function embeddingFromBytes(bytes: Uint8Array): Float32Array {
  const copy = new Float32Array(bytes.byteLength >>> 2);
  new Uint8Array(copy.buffer).set(bytes.subarray(0, copy.byteLength));
  return copy;
}
