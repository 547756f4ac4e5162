import { entryDigest } from "../../../memory/checksum.ts";
import { bucketOf, compareKeys } from "../../../memory/keys.ts";
import type { SearchHit, WireChange, WireEntry } from "../messages.ts";
import { SlotTable } from "../slot-table.ts";
import { TombstoneTable } from "../tombstone-table.ts";
import type { FlatSpace } from "./flat-space.ts";
import type { SegmentViews } from "./segment-views.ts";
import { VectorSegments } from "./vector-segments.ts";

/** Fewer dead slots than this are not worth a rewrite, whatever their share. */
const DEAD_SLOTS_MIN = 1_000;

/**
 * The memories of one namespace: their vectors and which memory stands in which row. Row and slot have the same number;
 * every method that is given a change with a checksum takes the next row for it, wanted or not.
 */
export class NamespaceIndex {
  readonly namespace: string;
  readonly vectors: VectorSegments;
  readonly tombstones: TombstoneTable;
  /** Slots and positions of another generation mean nothing: a scan under way starts this namespace again. */
  generation = 0;
  #slots: SlotTable;

  constructor(namespace: string, space: FlatSpace, parts?: NamespaceParts) {
    this.namespace = namespace;
    this.vectors = parts?.vectors ?? new VectorSegments(space);
    this.tombstones = parts?.tombstones ?? new TombstoneTable();
    this.#slots = parts?.slots ?? new SlotTable();
  }

  get slots(): SlotTable {
    return this.#slots;
  }

  /** What is held for a memory. */
  entry(memoryId: string): WireEntry | null {
    const slot = this.#slots.slotOf(memoryId);
    if (slot !== undefined) {
      const { version, checksum } = this.#slots.entryAt(slot);
      return { state: "live", version, checksum };
    }
    const version = this.tombstones.versionOf(memoryId);
    return version === undefined ? null : { state: "tombstone", version };
  }

  /** 0 when nothing is held. */
  versionOf(memoryId: string): number {
    const slot = this.#slots.slotOf(memoryId);
    return slot === undefined ? (this.tombstones.versionOf(memoryId) ?? 0) : this.#slots.versionAt(slot);
  }

  /** Makes the namespace hold `change`, whatever it held before. */
  set(change: WireChange): void {
    const bucket = this.remove(change.memoryId) ?? bucketOf(change);
    if (change.checksum === null) {
      this.tombstones.set(change.memoryId, change.version, bucket);
      return;
    }
    this.tombstones.delete(change.memoryId);
    const digest = entryDigest(change, change.version, change.checksum);
    this.#slots.append({
      memoryId: change.memoryId,
      version: change.version,
      checksum: change.checksum,
      bucket,
      digestHigh: Number.parseInt(digest.slice(0, 8), 16),
      digestLow: Number.parseInt(digest.slice(8, 16), 16),
    });
  }

  /** Passes over a change that is not wanted. */
  skip(change: WireChange): void {
    if (change.checksum !== null) this.vectors.markDead(this.#slots.appendDead());
  }

  /** Forgets a live entry. @returns its bucket, which costs a hash otherwise. */
  remove(memoryId: string): number | undefined {
    const slot = this.#slots.slotOf(memoryId);
    if (slot === undefined) return undefined;
    this.#slots.kill(slot);
    this.vectors.markDead(slot);
    return this.#slots.bucketAt(slot);
  }

  /** One list per query, best first; equal scores in the order of the ids. */
  search(queries: Float32Array, k: number): SearchHit[][] {
    const isLive = (slot: number): boolean => this.#slots.isLive(slot);
    return this.vectors.search(queries, k, isLive).map((hits) =>
      hits
        .sort((a, b) => b.score - a.score || this.#compareSlots(a.slot, b.slot))
        .slice(0, k)
        .map(({ slot, score }) => ({ ...this.#slots.entryAt(slot), score })),
    );
  }

  /** Whether so much is dead that a rewrite pays. */
  get wantsCompaction(): boolean {
    const { deadCount, length } = this.#slots;
    if (deadCount > DEAD_SLOTS_MIN && deadCount * 2 > length) return true;
    const gaps = this.tombstones.length - this.tombstones.count;
    return gaps > DEAD_SLOTS_MIN && gaps * 2 > this.tombstones.length;
  }

  /** Whether a rewrite would free anything. */
  get hasDead(): boolean {
    return this.#slots.deadCount > 0 || this.tombstones.length > this.tombstones.count;
  }

  /** Rewrites without the dead slots. All or nothing: without room it throws and leaves everything as it was. */
  compact(space: FlatSpace, views: SegmentViews): number {
    const freed = this.#slots.deadCount;
    if (freed > 0) {
      const { table, kept } = this.#slots.compacted();
      const vectors = new VectorSegments(space);
      copyRows(this.vectors, kept, vectors, space, views);
      this.vectors.drop(views);
      for (const { index, rows } of vectors.segments) this.vectors.adopt(index, rows);
      this.#slots = table;
    }
    this.tombstones.compact();
    this.generation++;
    return freed;
  }

  #compareSlots(a: number, b: number): number {
    const { namespace } = this;
    const memoryId = this.#slots.entryAt(a).memoryId;
    return compareKeys({ namespace, memoryId }, { namespace, memoryId: this.#slots.entryAt(b).memoryId });
  }
}

/** A namespace as it was read from a snapshot. */
export interface NamespaceParts {
  readonly vectors: VectorSegments;
  readonly tombstones: TombstoneTable;
  readonly slots: SlotTable;
}

/** Rows that are moved at a time: bounds the memory that a compaction takes besides the vectors themselves. */
const COPY_BYTES = 8 * 1024 * 1024;

function copyRows(
  source: VectorSegments,
  rows: Uint32Array,
  target: VectorSegments,
  space: FlatSpace,
  views: SegmentViews,
): void {
  const { dimension } = space.shape;
  const chunkRows = Math.max(1, Math.floor(COPY_BYTES / space.rowBytes));
  for (let start = 0; start < rows.length; start += chunkRows) {
    const chunk = rows.subarray(start, start + chunkRows);
    const vectors = new Float32Array(chunk.length * dimension);
    for (const [position, slot] of chunk.entries()) {
      const row = vectors.subarray(position * dimension, (position + 1) * dimension);
      source.readRow(slot, new Uint8Array(row.buffer, row.byteOffset, row.byteLength), views);
    }
    const rowsIn = space.fromVectors(vectors);
    target.append({ rows: chunk.length, bytes: vectors.byteLength, rowsIn });
  }
}
