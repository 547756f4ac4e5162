import { closeSync, copyFileSync, openSync, readSync, rmSync, writeSync } from "node:fs";

/** Search effort of an approximate index. The binding has no setters, but the file header holds both values. */
export interface SearchParameters {
  /** IVF: lists visited per search. */
  readonly nprobe: number;
  /** HNSW: candidates kept per search. */
  readonly efSearch: number;
}

/** FAISS's common header: fourcc, dimension i32, rows i64, two unused i64, is_trained u8, metric i32. */
const COMMON_BYTES = 37;

interface Field {
  readonly position: number;
  readonly bytes: 4 | 8;
  readonly value: number;
}

/**
 * The header field of the file at `path` that differs from `parameters`; null when they agree or the field does not exist.
 */
function difference(path: string, parameters: SearchParameters): Field | null {
  const file = openSync(path, "r");
  try {
    const fourcc = read(file, 0, 4).toString("latin1");
    let field: Field | null = null;
    if (fourcc.startsWith("Iw")) {
      // After the common header: number of lists u64, nprobe u64.
      field = { position: COMMON_BYTES + 8, bytes: 8, value: parameters.nprobe };
    } else if (fourcc.startsWith("IHN")) {
      field = { position: efSearchPosition(file), bytes: 4, value: parameters.efSearch };
    }
    if (field === null) return null;
    const held = read(file, field.position, field.bytes);
    const value = field.bytes === 8 ? Number(held.readBigUInt64LE(0)) : held.readInt32LE(0);
    return value === field.value ? null : field;
  } finally {
    closeSync(file);
  }
}

/** Writes `parameters` into the header of the index file at `path`. */
export function setSearchParameters(path: string, parameters: SearchParameters): void {
  const field = difference(path, parameters);
  if (field === null) return;
  const bytes = Buffer.alloc(field.bytes);
  if (field.bytes === 8) bytes.writeBigUInt64LE(BigInt(field.value));
  else bytes.writeInt32LE(field.value);
  const file = openSync(path, "r+");
  try {
    writeSync(file, bytes, 0, bytes.byteLength, field.position);
  } finally {
    closeSync(file);
  }
}

/**
 * Calls `use` with the path of an index file that has `parameters`: `path` itself, or a temporary copy at the path that
 * `copyPath` returns.
 */
export function withSearchParameters<T>(
  path: string,
  parameters: SearchParameters,
  copyPath: () => string,
  use: (path: string) => T,
): T {
  if (difference(path, parameters) === null) return use(path);
  const copy = copyPath();
  try {
    copyFileSync(path, copy);
    setSearchParameters(copy, parameters);
    return use(copy);
  } finally {
    rmSync(copy, { force: true });
  }
}

/** Offset after five arrays (probabilities f64, counts i32, levels i32, offsets u64, neighbours i32) and three i32. */
function efSearchPosition(file: number): number {
  let position = COMMON_BYTES;
  for (const elementBytes of [8, 4, 4, 8, 4]) {
    position += 8 + elementBytes * Number(read(file, position, 8).readBigUInt64LE(0));
  }
  return position + 12;
}

function read(file: number, position: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (readSync(file, buffer, 0, bytes, position) !== bytes) throw new Error("the index file ends within its header");
  return buffer;
}
