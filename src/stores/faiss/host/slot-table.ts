import type { HitsPacker } from "../protocol/packed-hits.ts";
import { IdTable } from "./id-table.ts";

/** The content of a slot. */
export interface SlotEntry {
  readonly memoryId: string;
  readonly version: number;
  /** Hex, 64 characters. */
  readonly checksum: string;
}

/** A slot's bucket and entry digest, computed from its content. */
export interface SlotDigest {
  readonly bucket: number;
  /** The two halves of the entry digest. */
  readonly high: number;
  readonly low: number;
}

export const CHECKSUM_BYTES = 32;
const CAPACITY_MIN = 16;

/** The columns of a table, as they are stored. Each shares memory with the table. */
export interface SlotColumns {
  readonly versions: Float64Array;
  readonly checksums: Uint8Array;
  readonly buckets: Uint16Array;
  readonly digestHigh: Uint32Array;
  readonly digestLow: Uint32Array;
  readonly dead: Uint8Array;
  /** Concatenated UTF-8 of the ids, dead ones included. */
  readonly idBytes: Uint8Array;
  /** End offset of each slot's id in `idBytes`. */
  readonly idEnds: Float64Array;
}

/**
 * Maps the rows of one namespace's vectors to memories. Append-only: an update takes a new slot and marks the old one
 * dead; compaction makes a new table. All columns are typed arrays: a million slots take about 80 MB plus the bytes of the
 * ids, and the garbage collector has no objects to trace.
 *
 * The bucket and the digest of a slot cost a hash each, ten times the rest of an append. They are therefore computed
 * lazily, while idle or on request; the first `digested` slots have theirs.
 */
export class SlotTable {
  readonly #ids: IdTable;
  #versions: Float64Array;
  #checksums: Uint8Array;
  #buckets: Uint16Array;
  #digestHigh: Uint32Array;
  #digestLow: Uint32Array;
  /** One bit per slot. */
  #dead: Uint8Array;
  #length = 0;
  #liveCount = 0;
  #digested = 0;

  constructor(capacity = CAPACITY_MIN) {
    const room = Math.max(CAPACITY_MIN, capacity);
    this.#ids = new IdTable(room);
    this.#versions = new Float64Array(room);
    this.#checksums = new Uint8Array(room * CHECKSUM_BYTES);
    this.#buckets = new Uint16Array(room);
    this.#digestHigh = new Uint32Array(room);
    this.#digestLow = new Uint32Array(room);
    this.#dead = new Uint8Array((room + 7) >>> 3);
  }

  /** Restores a table of `length` slots from its columns; the first `digested` slots have their digests. */
  static from(columns: SlotColumns, length: number, digested: number): SlotTable {
    const table = new SlotTable(length);
    table.#versions.set(columns.versions);
    table.#checksums.set(columns.checksums);
    table.#buckets.set(columns.buckets);
    table.#digestHigh.set(columns.digestHigh);
    table.#digestLow.set(columns.digestLow);
    table.#dead.set(columns.dead);
    table.#length = length;
    table.#digested = digested;
    const isLive = (slot: number): boolean => table.isLive(slot);
    table.#liveCount = table.#ids.fill(columns.idBytes, columns.idEnds, length, isLive);
    return table;
  }

  /** Number of slots, dead ones included; also the number of the next slot. */
  get length(): number {
    return this.#length;
  }

  get liveCount(): number {
    return this.#liveCount;
  }

  get deadCount(): number {
    return this.#length - this.#liveCount;
  }

  /** Memory of the table in bytes. */
  get bytes(): number {
    const arrays = [this.#versions, this.#checksums, this.#buckets, this.#digestHigh, this.#digestLow, this.#dead];
    return arrays.reduce((sum, array) => sum + array.byteLength, this.#ids.bytes);
  }

  /** The live slot of a memory. */
  slotOf(memoryId: string): number | undefined {
    const bytes = Buffer.from(memoryId, "utf8");
    return this.find(bytes, 0, bytes.byteLength);
  }

  /** The live slot of the memory whose id is in `bytes`. */
  find(bytes: Uint8Array, start: number, end: number): number | undefined {
    const slot = this.#ids.find(bytes, start, end);
    return slot < 0 ? undefined : slot;
  }

  isLive(slot: number): boolean {
    return slot < this.#length && (this.#dead[slot >>> 3]! & (1 << (slot & 7))) === 0;
  }

  /** Appends a slot for a memory that has no live one. Its id is in `bytes`. */
  append(bytes: Uint8Array, start: number, end: number, version: number, checksum: Uint8Array): number {
    const slot = this.#next();
    this.#ids.append(slot, bytes, start, end);
    this.#versions[slot] = version;
    this.#checksums.set(checksum, slot * CHECKSUM_BYTES);
    this.#liveCount++;
    return slot;
  }

  /** Appends a dead slot for an unused row, so that rows and slots stay aligned. */
  appendDead(): number {
    const slot = this.#next();
    this.#ids.appendNone(slot);
    this.#dead[slot >>> 3]! |= 1 << (slot & 7);
    return slot;
  }

  /** Marks the slot dead: no search or read returns its row from now on. */
  kill(slot: number): void {
    if (!this.isLive(slot)) return;
    this.#ids.remove(slot);
    this.#dead[slot >>> 3]! |= 1 << (slot & 7);
    this.#liveCount--;
  }

  versionAt(slot: number): number {
    return this.#versions[slot]!;
  }

  /** The raw checksum, sharing memory with the table. */
  checksumAt(slot: number): Buffer {
    return Buffer.from(this.#checksums.buffer, slot * CHECKSUM_BYTES, CHECKSUM_BYTES);
  }

  /** Undefined for a dead slot. */
  memoryIdAt(slot: number): string | undefined {
    return this.isLive(slot) ? this.#ids.textAt(slot) : undefined;
  }

  /** Adds a slot to the hits of a search. */
  packHit(slot: number, score: number, packer: HitsPacker): void {
    packer.add(this.#ids.bytesAt(slot), this.#versions[slot]!, this.#checksums, slot * CHECKSUM_BYTES, score);
  }

  /** The content of a live slot. */
  entryAt(slot: number): SlotEntry {
    if (!this.isLive(slot)) throw new Error(`slot ${slot} is dead`);
    const checksum = this.checksumAt(slot).toString("hex");
    return { memoryId: this.#ids.textAt(slot), version: this.versionAt(slot), checksum };
  }

  /** Number of leading slots whose digests are computed. */
  get digested(): number {
    return this.#digested;
  }

  /** Computes the digests of the next slots that lack them. @returns whether all digests are computed. */
  digestNext(slotsMax: number, compute: (entry: SlotEntry) => SlotDigest): boolean {
    const end = Math.min(this.#length, this.#digested + slotsMax);
    for (let slot = this.#digested; slot < end; slot++) {
      if (!this.isLive(slot)) continue;
      const { bucket, high, low } = compute(this.entryAt(slot));
      this.#buckets[slot] = bucket;
      this.#digestHigh[slot] = high;
      this.#digestLow[slot] = low;
    }
    this.#digested = end;
    return end === this.#length;
  }

  /** The digest of a live slot below `digested`. */
  bucketAt(slot: number): number {
    return this.#buckets[slot]!;
  }

  digestHighAt(slot: number): number {
    return this.#digestHigh[slot]!;
  }

  digestLowAt(slot: number): number {
    return this.#digestLow[slot]!;
  }

  /**
   * A new table: the slots `kept`, in that order, then the slots from `from` to the end, dead ones included. Slots keep
   * their current live or dead state.
   */
  rewritten(kept: Uint32Array, from: number): SlotTable {
    const table = new SlotTable(kept.length + this.#length - from);
    let digested = 0;
    const take = (slot: number): void => {
      if (!this.isLive(slot)) {
        table.appendDead();
        return;
      }
      const { bytes, start, end } = this.#ids.bytesAt(slot);
      const target = table.append(bytes, start, end, this.versionAt(slot), this.checksumAt(slot));
      table.#buckets[target] = this.#buckets[slot]!;
      table.#digestHigh[target] = this.#digestHigh[slot]!;
      table.#digestLow[target] = this.#digestLow[slot]!;
    };
    for (const slot of kept) {
      take(slot);
      if (slot < this.#digested) digested = table.length;
    }
    for (let slot = from; slot < this.#length; slot++) {
      take(slot);
      if (slot < this.#digested) digested = table.length;
    }
    table.#digested = digested;
    return table;
  }

  /** The columns of the whole table. */
  columns(): SlotColumns {
    const length = this.#length;
    return {
      versions: this.#versions.subarray(0, length),
      checksums: this.#checksums.subarray(0, length * CHECKSUM_BYTES),
      buckets: this.#buckets.subarray(0, length),
      digestHigh: this.#digestHigh.subarray(0, length),
      digestLow: this.#digestLow.subarray(0, length),
      dead: this.#dead.subarray(0, (length + 7) >>> 3),
      ...this.#ids.columns(length),
    };
  }

  #next(): number {
    const slot = this.#length;
    if (slot === this.#versions.length) this.#grow(grownCapacity(slot));
    this.#length++;
    return slot;
  }

  #grow(capacity: number): void {
    this.#versions = grown(this.#versions, new Float64Array(capacity));
    this.#checksums = grown(this.#checksums, new Uint8Array(capacity * CHECKSUM_BYTES));
    this.#buckets = grown(this.#buckets, new Uint16Array(capacity));
    this.#digestHigh = grown(this.#digestHigh, new Uint32Array(capacity));
    this.#digestLow = grown(this.#digestLow, new Uint32Array(capacity));
    this.#dead = grown(this.#dead, new Uint8Array((capacity + 7) >>> 3));
  }
}

/** Next capacity. Large tables grow by less than double, because unused capacity is wasted memory. */
export function grownCapacity(capacity: number): number {
  return capacity < 4_096 ? capacity * 2 : Math.ceil(capacity * 1.5);
}

function grown<T extends { set(source: T): void }>(source: T, target: T): T {
  target.set(source);
  return target;
}
