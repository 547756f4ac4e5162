import { IdTable } from "./id-table.ts";

/** What a slot holds. */
export interface SlotEntry {
  readonly memoryId: string;
  readonly version: number;
  /** Hex, 64 characters. */
  readonly checksum: string;
}

/** A slot's place in the bucket digests, as it is computed from what the slot holds. */
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
  /** UTF-8 of the ids, dead ones included, one behind the other. */
  readonly idBytes: Uint8Array;
  /** Of each slot, where its id ends in `idBytes`. */
  readonly idEnds: Float64Array;
}

/**
 * Which memory stands in which row of one namespace's vectors. Rows are only ever appended: an update takes a new slot
 * and kills the old one, compaction makes a new table. All of it is typed arrays: a million slots take about 80 MB and
 * the ids' own bytes, and nothing that the collector would have to walk over.
 *
 * Bucket and digest of a slot cost a hash each, ten times what the rest of an append does, so they are computed later,
 * in idle moments or when they are asked for: `digested` slots from the first have theirs.
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

  /** A table of `length` slots from its columns, of which the first `digested` have their digests. */
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

  /** Slots ever given out, dead ones included: the next slot's number. */
  get length(): number {
    return this.#length;
  }

  get liveCount(): number {
    return this.#liveCount;
  }

  get deadCount(): number {
    return this.#length - this.#liveCount;
  }

  /** Bytes that the table takes in memory. */
  get bytes(): number {
    const arrays = [this.#versions, this.#checksums, this.#buckets, this.#digestHigh, this.#digestLow, this.#dead];
    return arrays.reduce((sum, array) => sum + array.byteLength, this.#ids.bytes);
  }

  /** The live slot of a memory. */
  slotOf(memoryId: string): number | undefined {
    const bytes = Buffer.from(memoryId, "utf8");
    return this.find(bytes, 0, bytes.byteLength);
  }

  /** The live slot of the memory whose id stands in `bytes`. */
  find(bytes: Uint8Array, start: number, end: number): number | undefined {
    const slot = this.#ids.find(bytes, start, end);
    return slot < 0 ? undefined : slot;
  }

  isLive(slot: number): boolean {
    return slot < this.#length && (this.#dead[slot >>> 3]! & (1 << (slot & 7))) === 0;
  }

  /** Takes the next slot for a memory that has no live one. Its id stands in `bytes`. */
  append(bytes: Uint8Array, start: number, end: number, version: number, checksum: Uint8Array): number {
    const slot = this.#next();
    this.#ids.append(slot, bytes, start, end);
    this.#versions[slot] = version;
    this.#checksums.set(checksum, slot * CHECKSUM_BYTES);
    this.#liveCount++;
    return slot;
  }

  /** Takes the next slot for a row that nobody wants, so that rows and slots stay in step. */
  appendDead(): number {
    const slot = this.#next();
    this.#ids.appendNone(slot);
    this.#dead[slot >>> 3]! |= 1 << (slot & 7);
    return slot;
  }

  /** The slot's row is shown to nobody from now on. */
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

  /** The UTF-8 bytes of a slot's id with a NUL behind them. */
  terminatedIdAt(slot: number): Buffer {
    const { bytes, start, end } = this.#ids.bytesAt(slot);
    const id = Buffer.alloc(end - start + 1);
    bytes.copy(id, 0, start, end);
    return id;
  }

  /** What a live slot holds. */
  entryAt(slot: number): SlotEntry {
    if (!this.isLive(slot)) throw new Error(`slot ${slot} is dead`);
    const checksum = this.checksumAt(slot).toString("hex");
    return { memoryId: this.#ids.textAt(slot), version: this.versionAt(slot), checksum };
  }

  /** Slots from the first on that have their digests. */
  get digested(): number {
    return this.#digested;
  }

  /** Computes the digests of the next slots that lack theirs. @returns whether all have theirs now. */
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

  /** Of a live slot below `digested`. */
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
   * A table that begins with the slots `kept`, in that order, and goes on with those from `from` to the end, dead ones
   * included. Which of them are dead is as it is now.
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

  /** All of the table. */
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

/** Less than double for the large ones: what stands empty after a step is what the table costs too much. */
export function grownCapacity(capacity: number): number {
  return capacity < 4_096 ? capacity * 2 : Math.ceil(capacity * 1.5);
}

function grown<T extends { set(source: T): void }>(source: T, target: T): T {
  target.set(source);
  return target;
}
