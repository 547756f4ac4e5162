import type { NamespaceIndex } from "../host/namespace-index.ts";
import { CHECKSUM_BYTES, type SlotColumns, SlotTable } from "../host/slot-table.ts";
import { TombstoneTable } from "../host/tombstone-table.ts";

/**
 * `slots.bin`: the tables of all namespaces, concatenated in the order of the manifest. Each table, little-endian: number
 * of slots u32, of slots with digests u32, of tombstones u32, bytes of ids f64; the columns of the slots, whose lengths
 * follow from these numbers: versions f64, end offsets of ids f64, digest halves 2 × u32, buckets u16, checksums (32
 * bytes), dead bits (one byte per eight slots), ids (UTF-8); then per tombstone: id (bytes u16, UTF-8), version f64, bucket
 * u16. The manifest's SHA-256 covers the file, so a reader trusts that the bytes are intact, but not that this program
 * wrote them.
 */
export function encodeSlots(index: NamespaceIndex): Buffer {
  const { slots, tombstones } = index;
  const columns = slots.columns();
  const writer = new Writer(64 + slots.length * 64 + columns.idBytes.byteLength + tombstones.count * 40);
  writer.u32(slots.length);
  writer.u32(slots.digested);
  writer.u32(tombstones.count);
  writer.f64(columns.idBytes.byteLength);
  for (const name of COLUMNS) writer.bytes(bytesOf(columns[name]));
  for (let position = 0; position < tombstones.length; position++) {
    const entry = tombstones.at(position);
    if (entry === undefined) continue;
    writer.text(entry.memoryId);
    writer.f64(entry.version);
    writer.u16(entry.bucket);
  }
  return writer.finish();
}

/** The columns in file order. */
const COLUMNS = [
  "versions",
  "idEnds",
  "digestHigh",
  "digestLow",
  "buckets",
  "checksums",
  "dead",
  "idBytes",
] as const satisfies readonly (keyof SlotColumns)[];

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Decodes the output of `encodeSlots`. Each call reads the next namespace. @throws {RangeError} The bytes end too early. */
export class SlotsReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  next(): { slots: SlotTable; tombstones: TombstoneTable } {
    const [length, digested, tombstoneCount, idBytes] = [this.#u32(), this.#u32(), this.#u32(), this.#f64()];
    // Validate the lengths before any allocation of that size.
    if (length * 58 + idBytes > this.#bytes.byteLength - this.#at) throw new RangeError("the slot table is too long");
    const columns: SlotColumns = {
      versions: this.#column(new Float64Array(length)),
      idEnds: this.#column(new Float64Array(length)),
      digestHigh: this.#column(new Uint32Array(length)),
      digestLow: this.#column(new Uint32Array(length)),
      buckets: this.#column(new Uint16Array(length)),
      checksums: this.#column(new Uint8Array(length * CHECKSUM_BYTES)),
      dead: this.#column(new Uint8Array((length + 7) >>> 3)),
      idBytes: this.#column(new Uint8Array(idBytes)),
    };
    const slots = SlotTable.from(columns, length, digested);
    const tombstones = new TombstoneTable();
    for (let count = 0; count < tombstoneCount; count++) tombstones.set(this.#text(), this.#f64(), this.#u16());
    return { slots, tombstones };
  }

  /** Copies the column, because a typed array must start at a multiple of its element size. */
  #column<T extends ArrayBufferView>(target: T): T {
    bytesOf(target).set(this.#take(target.byteLength));
    return target;
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.byteLength) throw new RangeError("the slot table ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #text(): string {
    return this.#take(this.#u16()).toString("utf8");
  }

  #u16(): number {
    return this.#take(2).readUInt16LE(0);
  }

  #u32(): number {
    return this.#take(4).readUInt32LE(0);
  }

  #f64(): number {
    return this.#take(8).readDoubleLE(0);
  }
}

class Writer {
  #bytes: Buffer;
  #at = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  u16(value: number): void {
    this.#room(2);
    this.#at = this.#bytes.writeUInt16LE(value, this.#at);
  }

  u32(value: number): void {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  f64(value: number): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.#room(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value, "utf8");
    this.u16(length);
    this.#room(length);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.byteLength) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.byteLength * 2, this.#at + bytes));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}
