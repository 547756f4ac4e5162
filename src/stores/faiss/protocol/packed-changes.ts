import { StoreRefusedError } from "../../../domain/errors.ts";
import type { MemoryChange } from "../../../domain/memory.ts";
import type { WireChange } from "./wire-change.ts";

/**
 * Changes in columns. One object per change made the transfer to the host ten times as expensive: structured clone writes
 * every field name of every object, and both sides must garbage-collect the objects.
 */
export interface PackedChanges {
  readonly count: number;
  /** Distinct namespaces. */
  readonly namespaces: readonly string[];
  /** For each change the index of its namespace in `namespaces`; null when there is only one. */
  readonly namespaceOf: Uint32Array | null;
  /** UTF-8 ids, each NUL-terminated: no id contains a NUL. */
  readonly memoryIds: Uint8Array;
  readonly versions: Float64Array;
  /** One byte per change: 1 when it has a row in its namespace's block. */
  readonly hasVector: Uint8Array;
  /** 32 bytes for each change that has a row, in order. */
  readonly checksums: Uint8Array;
}

const CHECKSUM_BYTES = 32;

/** Packs changes for the host. @throws {StoreRefusedError} A change cannot be encoded. */
export function packChanges(changes: readonly MemoryChange[]): PackedChanges {
  return packWireChanges(changes.length, (index) => {
    const change = changes[index]!;
    const checksum = change.kind === "put" && change.embedding !== null ? change.checksum : null;
    return { namespace: change.namespace, memoryId: change.memoryId, version: change.version, checksum };
  });
}

/** `packChanges` for changes in wire form. */
export function packWireChanges(count: number, at: (index: number) => WireChange): PackedChanges {
  const namespaces: string[] = [];
  const positions = new Map<string, number>();
  const namespaceOf = new Uint32Array(count);
  const versions = new Float64Array(count);
  const hasVector = new Uint8Array(count);
  // Join into two long strings and encode each in one call: the call overhead exceeds the cost of encoding one id.
  let memoryIds = "";
  let checksums = "";
  let rows = 0;
  let lastNamespace: string | null = null;
  let lastPosition = 0;
  for (let index = 0; index < count; index++) {
    const { namespace, memoryId, version, checksum } = at(index);
    if (namespace !== lastNamespace) {
      let position = positions.get(namespace);
      if (position === undefined) {
        position = namespaces.push(namespace) - 1;
        positions.set(namespace, position);
      }
      lastNamespace = namespace;
      lastPosition = position;
    }
    namespaceOf[index] = lastPosition;
    versions[index] = version;
    memoryIds += `${memoryId}\u0000`;
    if (checksum === null) continue;
    if (checksum.length !== CHECKSUM_BYTES * 2) throw malformed(memoryId, checksum);
    hasVector[index] = 1;
    checksums += checksum;
    rows++;
  }
  const checksumBytes = Buffer.from(checksums, "hex");
  if (checksumBytes.byteLength !== rows * CHECKSUM_BYTES) throw malformed("one of the changes", checksums);
  return {
    count,
    namespaces,
    namespaceOf: namespaces.length > 1 ? namespaceOf : null,
    memoryIds: Buffer.from(memoryIds, "utf8"),
    versions,
    hasVector,
    checksums: checksumBytes,
  };
}

/** A cursor over packed changes. One reused object exposes the fields of the current change. */
export class ChangeCursor {
  readonly #changes: PackedChanges;
  readonly #bytes: Buffer;
  #index = -1;
  #row = -1;
  #start = 0;
  #end = -1;

  /** Starts before the first change. */
  constructor(changes: PackedChanges) {
    this.#changes = changes;
    const { buffer, byteOffset, byteLength } = changes.memoryIds;
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** Moves to the next change. @returns false after the last one. */
  next(): boolean {
    const { count, hasVector } = this.#changes;
    if (++this.#index >= count) return false;
    this.#start = this.#end + 1;
    this.#end = this.#bytes.indexOf(0, this.#start);
    if (hasVector[this.#index] === 1) this.#row++;
    return true;
  }

  get index(): number {
    return this.#index;
  }

  get namespace(): string {
    const { namespaces, namespaceOf } = this.#changes;
    return namespaces[namespaceOf === null ? 0 : namespaceOf[this.#index]!]!;
  }

  get version(): number {
    return this.#changes.versions[this.#index]!;
  }

  get hasVector(): boolean {
    return this.#changes.hasVector[this.#index] === 1;
  }

  /** The id's UTF-8 bytes are `idBytes` from `idStart` (inclusive) to `idEnd` (exclusive). */
  get idBytes(): Buffer {
    return this.#bytes;
  }

  get idStart(): number {
    return this.#start;
  }

  get idEnd(): number {
    return this.#end;
  }

  get memoryId(): string {
    return this.#bytes.toString("utf8", this.#start, this.#end);
  }

  /** Raw bytes; only for a change that has a vector. */
  get checksum(): Uint8Array {
    return this.#changes.checksums.subarray(this.#row * CHECKSUM_BYTES, (this.#row + 1) * CHECKSUM_BYTES);
  }
}

/** The defect of packed changes; null when they are valid. */
export function packedFlaw(changes: PackedChanges): string | null {
  const { count, namespaces, namespaceOf, memoryIds, versions, hasVector, checksums } = changes;
  if (versions.length !== count || hasVector.length !== count) return `columns that are not ${count} long`;
  if (count > 0 && namespaces.length === 0) return "changes of no namespace";
  if (namespaceOf !== null && namespaceOf.length !== count) return `columns that are not ${count} long`;
  for (const position of namespaceOf ?? []) if (position >= namespaces.length) return `a namespace at ${position}`;
  let ends = 0;
  for (const byte of memoryIds) if (byte === 0) ends++;
  if (ends !== count || (count > 0 && memoryIds.at(-1) !== 0)) return `${ends} ids for ${count} changes`;
  let rows = 0;
  for (let index = 0; index < count; index++) {
    const version = versions[index]!;
    if (!Number.isSafeInteger(version) || version <= 0) return `version ${version}`;
    rows += hasVector[index]!;
  }
  if (checksums.byteLength !== rows * CHECKSUM_BYTES) return `${checksums.byteLength} bytes of ${rows} checksums`;
  return null;
}

/** Number of changes with a vector, by namespace. */
export function rowsByNamespace(changes: PackedChanges): Map<string, number> {
  const { count, namespaces, namespaceOf, hasVector } = changes;
  const rows = new Array<number>(namespaces.length).fill(0);
  for (let index = 0; index < count; index++) rows[namespaceOf?.[index] ?? 0]! += hasVector[index]!;
  const found = new Map<string, number>();
  for (const [position, namespace] of namespaces.entries()) {
    if (rows[position]! > 0) found.set(namespace, rows[position]!);
  }
  return found;
}

/**
 * Whether both require the same vectors, in the same order, for the same memories. Versions may differ: a batch is prepared
 * before they are given out, and the checksum tells what the vector is.
 */
export function sameRows(left: PackedChanges, right: PackedChanges): boolean {
  if (Buffer.compare(left.checksums, right.checksums) !== 0) return false;
  const [a, b] = [new ChangeCursor(left), new ChangeCursor(right)];
  for (;;) {
    const [more, other] = [nextRow(a), nextRow(b)];
    if (!more || !other) return more === other;
    if (a.namespace !== b.namespace) return false;
    if (a.idBytes.compare(b.idBytes, b.idStart, b.idEnd, a.idStart, a.idEnd) !== 0) return false;
  }
}

function nextRow(cursor: ChangeCursor): boolean {
  while (cursor.next()) if (cursor.hasVector) return true;
  return false;
}

function malformed(memoryId: string, checksum: string): StoreRefusedError {
  const shown = JSON.stringify(checksum.slice(0, 80));
  return new StoreRefusedError("faiss", `checksum ${shown} of ${memoryId} is not 64 hex digits`);
}
