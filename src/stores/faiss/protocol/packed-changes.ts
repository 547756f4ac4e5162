import { StoreRefusedError } from "../../../domain/errors.ts";
import type { MemoryChange } from "../../../domain/memory.ts";
import type { WireChange } from "./wire-change.ts";

/**
 * Changes in columns. One object per change cost ten times as much on the way to the host: the structured clone names
 * every field of every object, and the collector of either side then has to clear them away.
 */
export interface PackedChanges {
  readonly count: number;
  /** Each once. */
  readonly namespaces: readonly string[];
  /** Per change the position of its namespace in `namespaces`; null where there is only one. */
  readonly namespaceOf: Uint32Array | null;
  /** UTF-8, a NUL behind each: no id contains one. */
  readonly memoryIds: Uint8Array;
  readonly versions: Float64Array;
  /** One byte per change: 1 when it has a row in its namespace's block. */
  readonly hasVector: Uint8Array;
  /** 32 bytes for each change that has a row, in order. */
  readonly checksums: Uint8Array;
}

const CHECKSUM_BYTES = 32;

/** The changes as the host is told of them. @throws {StoreRefusedError} One of them cannot be told. */
export function packChanges(changes: readonly MemoryChange[]): PackedChanges {
  return packWireChanges(changes.length, (index) => {
    const change = changes[index]!;
    const checksum = change.kind === "put" && change.embedding !== null ? change.checksum : null;
    return { namespace: change.namespace, memoryId: change.memoryId, version: change.version, checksum };
  });
}

/** As `packChanges`, from the form that single changes travel in. */
export function packWireChanges(count: number, at: (index: number) => WireChange): PackedChanges {
  const namespaces: string[] = [];
  const positions = new Map<string, number>();
  const namespaceOf = new Uint32Array(count);
  const versions = new Float64Array(count);
  const hasVector = new Uint8Array(count);
  // Two long strings that are encoded in one go each: an encoder's call costs more than what it encodes here.
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

/** Walks over packed changes. One object, whose fields are those of the change it stands at. */
export class ChangeCursor {
  readonly #changes: PackedChanges;
  readonly #bytes: Buffer;
  #index = -1;
  #row = -1;
  #start = 0;
  #end = -1;

  /** Stands before the first change. */
  constructor(changes: PackedChanges) {
    this.#changes = changes;
    const { buffer, byteOffset, byteLength } = changes.memoryIds;
    this.#bytes = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** @returns false behind the last one. */
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

  /** The id's UTF-8 bytes are those of `idBytes` from `idStart` to before `idEnd`. */
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

  /** Raw; only of a change that has a vector. */
  get checksum(): Uint8Array {
    return this.#changes.checksums.subarray(this.#row * CHECKSUM_BYTES, (this.#row + 1) * CHECKSUM_BYTES);
  }
}

/** What is wrong with packed changes; null when nothing is. */
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

/** Whether both ask for the same vectors, in the same order, of the same memories at the same versions. */
export function sameRows(left: PackedChanges, right: PackedChanges): boolean {
  if (Buffer.compare(left.checksums, right.checksums) !== 0) return false;
  const [a, b] = [new ChangeCursor(left), new ChangeCursor(right)];
  for (;;) {
    const [more, other] = [nextRow(a), nextRow(b)];
    if (!more || !other) return more === other;
    if (a.version !== b.version || a.namespace !== b.namespace) return false;
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
