import { SlotTable } from "../slot-table.ts";
import { TombstoneTable } from "../tombstone-table.ts";
import type { NamespaceIndex } from "./namespace-index.ts";

/**
 * `slots.bin`: the tables of all namespaces, one after the other in the order of the manifest. Of each, little-endian:
 * number of slots u32, of tombstones u32, dead bits (one byte per eight slots), then of live slots and afterwards of
 * tombstones: id (bytes u16, UTF-8), version f64; a slot moreover has checksum (32 bytes), bucket u16, digest halves
 * 2 × u32. The manifest's SHA-256 covers it, so reading trusts the bytes but not their being meant for this program.
 */
export function encodeSlots(index: NamespaceIndex): Buffer {
  const { slots, tombstones } = index;
  const writer = new Writer(64 + slots.length * 80 + tombstones.count * 40);
  writer.u32(slots.length);
  writer.u32(tombstones.count);
  const dead = Buffer.alloc((slots.length + 7) >>> 3);
  for (let slot = 0; slot < slots.length; slot++) if (!slots.isLive(slot)) dead[slot >>> 3]! |= 1 << (slot & 7);
  writer.bytes(dead);
  for (let slot = 0; slot < slots.length; slot++) {
    const memoryId = slots.memoryIdAt(slot);
    if (memoryId === undefined) continue;
    writer.text(memoryId);
    writer.f64(slots.versionAt(slot));
    writer.bytes(slots.checksumAt(slot));
    writer.u16(slots.bucketAt(slot));
    writer.u32(slots.digestHighAt(slot));
    writer.u32(slots.digestLowAt(slot));
  }
  for (let position = 0; position < tombstones.length; position++) {
    const entry = tombstones.at(position);
    if (entry === undefined) continue;
    writer.text(entry.memoryId);
    writer.f64(entry.version);
    writer.u16(entry.bucket);
  }
  return writer.finish();
}

/** Reads what `encodeSlots` wrote. Each call takes the next namespace. @throws {RangeError} at the end of the bytes. */
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
    const length = this.#u32();
    const tombstoneCount = this.#u32();
    const dead = this.#take((length + 7) >>> 3);
    const slots = new SlotTable(Math.max(16, length));
    for (let slot = 0; slot < length; slot++) {
      if ((dead[slot >>> 3]! & (1 << (slot & 7))) !== 0) {
        slots.appendDead();
        continue;
      }
      slots.append({
        memoryId: this.#text(),
        version: this.#f64(),
        checksum: this.#take(32).toString("hex"),
        bucket: this.#u16(),
        digestHigh: this.#u32(),
        digestLow: this.#u32(),
      });
    }
    const tombstones = new TombstoneTable();
    for (let count = 0; count < tombstoneCount; count++) tombstones.set(this.#text(), this.#f64(), this.#u16());
    return { slots, tombstones };
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
