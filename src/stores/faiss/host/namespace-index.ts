import { entryDigest } from "../../../domain/checksum.ts";
import { bucketOf, compareKeys } from "../../../domain/keys.ts";
import type { NamespaceStatistics, WireEntry } from "../protocol/messages.ts";
import type { ChangeCursor } from "../protocol/packed-changes.ts";
import type { HitsPacker } from "../protocol/packed-hits.ts";
import type { FlatSpace } from "./flat-space.ts";
import type { MainIndex } from "./main-index.ts";
import type { SegmentViews } from "./segment-views.ts";
import { type SlotDigest, type SlotEntry, SlotTable } from "./slot-table.ts";
import { TombstoneTable } from "./tombstone-table.ts";
import { type Segment, VectorSegments } from "./vector-segments.ts";

/**
 * The memories of one namespace: their vectors, and the memory of each row. Row and slot have the same number; every
 * method that gets a change with a vector consumes the next row, even for a stale change.
 */
export class NamespaceIndex {
  readonly namespace: string;
  readonly vectors: VectorSegments;
  readonly tombstones: TombstoneTable;
  /** A new generation invalidates slots and positions: a scan in progress restarts this namespace. */
  generation = 0;
  #slots: SlotTable;
  readonly #digestOf: (entry: SlotEntry) => SlotDigest;

  constructor(namespace: string, space: FlatSpace, parts?: NamespaceParts) {
    this.namespace = namespace;
    this.vectors = parts?.vectors ?? new VectorSegments(space);
    this.tombstones = parts?.tombstones ?? new TombstoneTable();
    this.#slots = parts?.slots ?? new SlotTable();
    this.#digestOf = ({ memoryId, version, checksum }) => {
      const key = { namespace, memoryId };
      const digest = entryDigest(key, version, checksum);
      const [high, low] = [Number.parseInt(digest.slice(0, 8), 16), Number.parseInt(digest.slice(8, 16), 16)];
      return { bucket: bucketOf(key), high, low };
    };
  }

  get slots(): SlotTable {
    return this.#slots;
  }

  /** The entry of a memory. */
  entry(memoryId: string): WireEntry | null {
    const slot = this.#slots.slotOf(memoryId);
    if (slot !== undefined) {
      const { version, checksum } = this.#slots.entryAt(slot);
      return { state: "live", version, checksum };
    }
    const version = this.tombstones.versionOf(memoryId);
    return version === undefined ? null : { state: "tombstone", version };
  }

  /** The version of a memory; 0 when the namespace holds none. */
  versionOf(memoryId: string): number {
    const slot = this.#slots.slotOf(memoryId);
    return slot === undefined ? (this.tombstones.versionOf(memoryId) ?? 0) : this.#slots.versionAt(slot);
  }

  /** Applies the change at the cursor, unless the namespace holds that version or a newer one. */
  publish(change: ChangeCursor): "applied" | "stale" {
    const slot = this.#slots.find(change.idBytes, change.idStart, change.idEnd);
    let held = 0;
    if (slot !== undefined) held = this.#slots.versionAt(slot);
    else if (this.tombstones.count > 0) held = this.tombstones.versionOf(change.memoryId) ?? 0;
    if (held >= change.version) {
      this.skip(change);
      return "stale";
    }
    this.#put(change, slot);
    return "applied";
  }

  /** Applies the change unconditionally. */
  set(change: ChangeCursor): void {
    this.#put(change, this.#slots.find(change.idBytes, change.idStart, change.idEnd));
  }

  /** Skips a stale change. */
  skip(change: { readonly hasVector: boolean }): void {
    if (change.hasVector) this.vectors.markDead(this.#slots.appendDead());
  }

  /** Removes a live entry. */
  remove(memoryId: string): void {
    const slot = this.#slots.slotOf(memoryId);
    if (slot !== undefined) this.#kill(slot);
  }

  /** Best first for each query; equal scores in the order of the ids. */
  search(queries: Float32Array, k: number, packer: HitsPacker): void {
    const isLive = (slot: number): boolean => this.#slots.isLive(slot);
    for (const hits of this.vectors.search(queries, k, isLive)) {
      packer.query();
      hits.sort((a, b) => b.score - a.score || this.#compareSlots(a.slot, b.slot));
      for (let rank = 0; rank < Math.min(k, hits.length); rank++) {
        const { slot, score } = hits[rank]!;
        this.#slots.packHit(slot, score, packer);
      }
    }
  }

  /** Computes missing digests, for a bounded number of slots. @returns whether all digests are computed. */
  digestNext(slotsMax: number): boolean {
    return this.#slots.digestNext(slotsMax, this.#digestOf);
  }

  /** Whether compaction would free any slots. */
  get hasDead(): boolean {
    return this.#slots.deadCount > 0 || this.tombstones.length > this.tombstones.count;
  }

  /** The live slots among the first `cut`. */
  liveSlots(cut: number): Uint32Array {
    const kept = new Uint32Array(cut);
    let count = 0;
    for (let slot = 0; slot < cut; slot++) if (this.#slots.isLive(slot)) kept[count++] = slot;
    return kept.subarray(0, count);
  }

  /**
   * Replaces the first `cut` rows with rewritten vectors. `kept`: their slots, in order; some of them may have died since.
   * @returns slots freed.
   */
  adopt(
    cut: number,
    kept: Uint32Array,
    built: { main: MainIndex | null; segments: readonly Segment[] },
    views: SegmentViews,
  ): number {
    const before = this.#slots.length;
    const slots = this.#slots.rewritten(kept, cut);
    this.vectors.replaceFirst(cut, built, views);
    this.#slots = slots;
    for (let slot = 0; slot < slots.length; slot++) if (!slots.isLive(slot)) this.vectors.markDead(slot);
    this.compactTombstones();
    return before - slots.length;
  }

  /** Compacts the tombstones: removes the gaps of memories that have a vector again. */
  compactTombstones(): void {
    this.tombstones.compact();
    this.generation++;
  }

  statistics(): NamespaceStatistics {
    const { namespace, tombstones, vectors } = this;
    const { liveCount: live, deadCount: dead } = this.#slots;
    return { namespace, live, dead, tombstones: tombstones.count, main: vectors.main?.rows ?? 0 };
  }

  #put(change: ChangeCursor, slot: number | undefined): void {
    if (slot !== undefined) this.#kill(slot);
    if (!change.hasVector) {
      const { memoryId } = change;
      this.tombstones.set(memoryId, change.version, bucketOf({ namespace: this.namespace, memoryId }));
      return;
    }
    if (slot === undefined && this.tombstones.count > 0) this.tombstones.delete(change.memoryId);
    this.#slots.append(change.idBytes, change.idStart, change.idEnd, change.version, change.checksum);
  }

  #kill(slot: number): void {
    this.#slots.kill(slot);
    this.vectors.markDead(slot);
  }

  #compareSlots(a: number, b: number): number {
    const { namespace } = this;
    const idOf = (slot: number): string => this.#slots.entryAt(slot).memoryId;
    return compareKeys({ namespace, memoryId: idOf(a) }, { namespace, memoryId: idOf(b) });
  }
}

/** A namespace read from a snapshot. */
export interface NamespaceParts {
  readonly vectors: VectorSegments;
  readonly tombstones: TombstoneTable;
  readonly slots: SlotTable;
}
