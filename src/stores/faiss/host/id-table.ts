import { randomInt } from "node:crypto";

/** Load factor at which the hash table is rebuilt: used and deleted buckets per bucket. */
const LOAD_MAX = 0.6;
const EMPTY = 0;
const ABANDONED = -1;
/** A random hash seed for each process: an attacker who chooses ids cannot choose ids that collide. */
const SEED = randomInt(2 ** 32);

/**
 * The ids of one namespace by slot, and the slots by id: concatenated UTF-8 bytes and an open-addressing hash table. A Map
 * of a million strings took 100 MB more memory, and a tenth of a second of every full garbage collection.
 */
export class IdTable {
  #bytes: Buffer;
  #used = 0;
  /** End offset of each slot's id; the id begins at the end offset of the previous slot. */
  #ends: Float64Array;
  /** Hash buckets, a power of two in number: slot + 1, `EMPTY` or `ABANDONED` (deleted). */
  #places: Int32Array;
  /** Buckets that are not empty. */
  #taken = 0;
  #live = 0;

  /** @param capacity initial capacity in slots. */
  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(capacity * 16);
    this.#ends = new Float64Array(capacity);
    this.#places = new Int32Array(placesFor(0));
  }

  get bytes(): number {
    return this.#bytes.byteLength + this.#ends.byteLength + this.#places.byteLength;
  }

  /** Loads `length` stored ids. @returns the number of live ids. */
  fill(bytes: Uint8Array, ends: Float64Array, length: number, isLive: (slot: number) => boolean): number {
    this.#bytes = Buffer.alloc(Math.max(this.#bytes.byteLength, bytes.byteLength));
    this.#bytes.set(bytes);
    this.#used = bytes.byteLength;
    this.#ends.set(ends);
    let live = 0;
    for (let slot = 0; slot < length; slot++) if (isLive(slot)) live++;
    this.#places = new Int32Array(placesFor(live));
    for (let slot = 0; slot < length; slot++) if (isLive(slot)) this.#place(slot);
    this.#live = live;
    this.#taken = live;
    return live;
  }

  /** The slot of an id; -1 when it has none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const place = this.#placeOf(bytes, start, end);
    return place < 0 ? -1 : this.#places[place]! - 1;
  }

  /** Appends a slot with an id that no other slot has. */
  append(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#used + length > this.#bytes.byteLength) this.#growBytes(length);
    let at = this.#used;
    for (let from = start; from < end; from++) this.#bytes[at++] = bytes[from]!;
    this.#used = at;
    this.#setEnd(slot);
    if (this.#taken + 1 > this.#places.length * LOAD_MAX) this.#rehash();
    this.#place(slot);
    this.#taken++;
    this.#live++;
  }

  /** Appends a slot without an id. */
  appendNone(slot: number): void {
    this.#setEnd(slot);
  }

  /** Removes the slot's id from the hash table; its bytes stay. */
  remove(slot: number): void {
    const { bytes, start, end } = this.bytesAt(slot);
    const place = this.#placeOf(bytes, start, end);
    if (place < 0 || this.#places[place] !== slot + 1) throw new Error(`slot ${slot} is not in the table of ids`);
    this.#places[place] = ABANDONED;
    this.#live--;
  }

  textAt(slot: number): string {
    const { bytes, start, end } = this.bytesAt(slot);
    return bytes.toString("utf8", start, end);
  }

  bytesAt(slot: number): { bytes: Buffer; start: number; end: number } {
    return { bytes: this.#bytes, start: slot === 0 ? 0 : this.#ends[slot - 1]!, end: this.#ends[slot]! };
  }

  columns(length: number): { idBytes: Uint8Array; idEnds: Float64Array } {
    return { idBytes: this.#bytes.subarray(0, this.#used), idEnds: this.#ends.subarray(0, length) };
  }

  #placeOf(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#places.length - 1;
    const length = end - start;
    for (let place = hashOf(bytes, start, end) & mask; ; place = (place + 1) & mask) {
      const found = this.#places[place]!;
      if (found === EMPTY) return -1;
      if (found === ABANDONED) continue;
      const slot = found - 1;
      const from = slot === 0 ? 0 : this.#ends[slot - 1]!;
      if (this.#ends[slot]! - from !== length) continue;
      let at = 0;
      while (at < length && this.#bytes[from + at] === bytes[start + at]) at++;
      if (at === length) return place;
    }
  }

  #place(slot: number): void {
    const mask = this.#places.length - 1;
    const start = slot === 0 ? 0 : this.#ends[slot - 1]!;
    let place = hashOf(this.#bytes, start, this.#ends[slot]!) & mask;
    while (this.#places[place]! !== EMPTY) place = (place + 1) & mask;
    this.#places[place] = slot + 1;
  }

  #rehash(): void {
    const before = this.#places;
    this.#places = new Int32Array(placesFor(this.#live + 1));
    for (const found of before) if (found > 0) this.#place(found - 1);
    this.#taken = this.#live;
  }

  #setEnd(slot: number): void {
    if (slot >= this.#ends.length) {
      const ends = new Float64Array(Math.max(16, Math.ceil(slot * 1.5)));
      ends.set(this.#ends);
      this.#ends = ends;
    }
    this.#ends[slot] = this.#used;
  }

  #growBytes(length: number): void {
    const bytes = Buffer.alloc(Math.max(Math.ceil(this.#bytes.byteLength * 1.5), this.#used + length, 1_024));
    this.#bytes.copy(bytes, 0, 0, this.#used);
    this.#bytes = bytes;
  }
}

/** Hash table size that lets the number of ids double before the next rehash. */
function placesFor(live: number): number {
  let places = 32;
  while (places * LOAD_MAX < live * 2) places *= 2;
  return places;
}

/** FNV-1a with a random offset basis and a finalizer, so that the low bits depend on all others. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = SEED ^ 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
