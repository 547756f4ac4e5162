/** What a slot holds. */
export interface SlotEntry {
  readonly memoryId: string;
  readonly version: number;
  /** Hex, 64 characters. */
  readonly checksum: string;
}

/** Everything that a slot is given at its birth. */
export interface NewSlot extends SlotEntry {
  readonly bucket: number;
  /** The two halves of the entry digest. */
  readonly digestHigh: number;
  readonly digestLow: number;
}

const CHECKSUM_BYTES = 32;
const CAPACITY_MIN = 16;

/**
 * Which memory stands in which row of one namespace's vectors. Rows are only ever appended: an update takes a new slot
 * and kills the old one, compaction makes a new table. Typed arrays keep a million slots at about 55 bytes each, plus
 * the id and its place in the map.
 */
export class SlotTable {
  readonly #slots = new Map<string, number>();
  readonly #memoryIds: (string | undefined)[] = [];
  #versions: Float64Array;
  #checksums: Uint8Array;
  #buckets: Uint16Array;
  #digestHigh: Uint32Array;
  #digestLow: Uint32Array;
  /** One bit per slot. */
  #dead: Uint8Array;
  #length = 0;

  constructor(capacity = CAPACITY_MIN) {
    this.#versions = new Float64Array(capacity);
    this.#checksums = new Uint8Array(capacity * CHECKSUM_BYTES);
    this.#buckets = new Uint16Array(capacity);
    this.#digestHigh = new Uint32Array(capacity);
    this.#digestLow = new Uint32Array(capacity);
    this.#dead = new Uint8Array((capacity + 7) >>> 3);
  }

  /** Slots ever given out, dead ones included: the next slot's number. */
  get length(): number {
    return this.#length;
  }

  get liveCount(): number {
    return this.#slots.size;
  }

  get deadCount(): number {
    return this.#length - this.#slots.size;
  }

  /** The live slot of a memory. */
  slotOf(memoryId: string): number | undefined {
    return this.#slots.get(memoryId);
  }

  isLive(slot: number): boolean {
    return slot < this.#length && (this.#dead[slot >>> 3]! & (1 << (slot & 7))) === 0;
  }

  /** Takes the next slot for a memory that has no live one. */
  append(entry: NewSlot): number {
    const slot = this.#next();
    this.#slots.set(entry.memoryId, slot);
    this.#memoryIds.push(entry.memoryId);
    this.#versions[slot] = entry.version;
    Buffer.from(this.#checksums.buffer).write(entry.checksum, slot * CHECKSUM_BYTES, "hex");
    this.#buckets[slot] = entry.bucket;
    this.#digestHigh[slot] = entry.digestHigh;
    this.#digestLow[slot] = entry.digestLow;
    return slot;
  }

  /** Takes the next slot for a row that nobody wants, so that rows and slots stay in step. */
  appendDead(): number {
    const slot = this.#next();
    this.#memoryIds.push(undefined);
    this.#dead[slot >>> 3]! |= 1 << (slot & 7);
    return slot;
  }

  /** The slot's row is shown to nobody from now on. */
  kill(slot: number): void {
    const memoryId = this.#memoryIds[slot];
    if (memoryId === undefined) return;
    this.#slots.delete(memoryId);
    this.#memoryIds[slot] = undefined;
    this.#dead[slot >>> 3]! |= 1 << (slot & 7);
  }

  versionAt(slot: number): number {
    return this.#versions[slot]!;
  }

  bucketAt(slot: number): number {
    return this.#buckets[slot]!;
  }

  digestHighAt(slot: number): number {
    return this.#digestHigh[slot]!;
  }

  digestLowAt(slot: number): number {
    return this.#digestLow[slot]!;
  }

  /** The raw checksum, sharing memory with the table. */
  checksumAt(slot: number): Buffer {
    return Buffer.from(this.#checksums.buffer, slot * CHECKSUM_BYTES, CHECKSUM_BYTES);
  }

  /** Undefined for a dead slot. */
  memoryIdAt(slot: number): string | undefined {
    return this.#memoryIds[slot];
  }

  /** What a live slot holds. */
  entryAt(slot: number): SlotEntry {
    const memoryId = this.#memoryIds[slot];
    if (memoryId === undefined) throw new Error(`slot ${slot} is dead`);
    return { memoryId, version: this.versionAt(slot), checksum: this.checksumAt(slot).toString("hex") };
  }

  /** A table of the live slots alone, in the same order, and which slots they were. */
  compacted(): { table: SlotTable; kept: Uint32Array } {
    const table = new SlotTable(Math.max(CAPACITY_MIN, this.liveCount));
    const kept = new Uint32Array(this.liveCount);
    for (let slot = 0; slot < this.#length; slot++) {
      if (!this.isLive(slot)) continue;
      kept[table.length] = slot;
      table.append({
        ...this.entryAt(slot),
        bucket: this.bucketAt(slot),
        digestHigh: this.digestHighAt(slot),
        digestLow: this.digestLowAt(slot),
      });
    }
    return { table, kept };
  }

  #next(): number {
    const slot = this.#length;
    if (slot === this.#versions.length) this.#grow(Math.max(CAPACITY_MIN, slot * 2));
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

function grown<T extends { set(source: T): void }>(source: T, target: T): T {
  target.set(source);
  return target;
}
