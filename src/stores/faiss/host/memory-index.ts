import { BucketDigests } from "../../../domain/buckets.ts";
import type { HostStatistics, WireEntry, WireReplacement } from "../protocol/messages.ts";
import { ChangeCursor, type PackedChanges, packWireChanges, rowsByNamespace } from "../protocol/packed-changes.ts";
import { HitsPacker, type PackedHits } from "../protocol/packed-hits.ts";
import { allFinite, type FlatSpace, type StagedBlock } from "./flat-space.ts";
import { checkArgument } from "./host-error.ts";
import { NamespaceIndex } from "./namespace-index.ts";
import { SegmentViews } from "./segment-views.ts";

export type StagedBlocks = ReadonlyMap<string, StagedBlock>;

/** All memories, with a separate index per namespace, so that no search can cross namespaces. */
export class MemoryIndex {
  readonly space: FlatSpace;
  readonly views: SegmentViews;
  /** In the order of creation; an empty namespace keeps its place. */
  readonly namespaces: NamespaceIndex[] = [];
  readonly #byName = new Map<string, NamespaceIndex>();

  constructor(space: FlatSpace) {
    this.space = space;
    this.views = new SegmentViews(space);
  }

  find(namespace: string): NamespaceIndex | undefined {
    return this.#byName.get(namespace);
  }

  add(index: NamespaceIndex): void {
    this.namespaces.push(index);
    this.#byName.set(index.namespace, index);
  }

  /** Publishes each change unless the index holds that version or a newer one. Blocks fit the changes (see `checkRows`). */
  publish(changes: PackedChanges, blocks: StagedBlocks): ("applied" | "stale")[] {
    this.#appendRows(blocks);
    const answers = new Array<"applied" | "stale">(changes.count);
    for (const change = new ChangeCursor(changes); change.next(); ) {
      answers[change.index] = this.#ensure(change.namespace).publish(change);
    }
    return answers;
  }

  /** `publish` for batches whose changes with vectors are all stale: it skips those and needs no vectors. */
  publishWithoutVectors(changes: PackedChanges): ("applied" | "stale")[] {
    const answers = new Array<"applied" | "stale">(changes.count);
    for (const change = new ChangeCursor(changes); change.next(); ) {
      answers[change.index] = change.hasVector ? "stale" : this.#ensure(change.namespace).publish(change);
    }
    return answers;
  }

  /** Whether every change with a vector is stale, so that the publish needs no vectors. */
  allVectorsStale(changes: PackedChanges): boolean {
    for (const change = new ChangeCursor(changes); change.next(); ) {
      if (change.hasVector && this.#versionOf(change) < change.version) return false;
    }
    return true;
  }

  /** Replaces entries that are still exactly as they were found, whatever the versions (compare-and-set). */
  replace(replacements: readonly WireReplacement[], blocks: StagedBlocks): ("applied" | "moved")[] {
    this.#appendRows(blocks);
    const changes = replacements.flatMap(({ change }) => (change === null ? [] : [change]));
    const cursor = new ChangeCursor(packWireChanges(changes.length, (index) => changes[index]!));
    return replacements.map(({ namespace, memoryId, found, change }) => {
      const index = this.#ensure(namespace);
      if (change !== null) cursor.next();
      if (!sameEntry(index.entry(memoryId), found)) {
        if (change !== null) index.skip(cursor);
        return "moved";
      }
      if (change !== null) index.set(cursor);
      else {
        index.remove(memoryId);
        index.tombstones.delete(memoryId);
      }
      return "applied";
    });
  }

  entry(namespace: string, memoryId: string): WireEntry | null {
    return this.find(namespace)?.entry(memoryId) ?? null;
  }

  /** Stored vectors of live memories, one row each. */
  readVectors(keys: readonly { namespace: string; memoryId: string }[]): Uint8Array {
    const { rowBytes } = this.space;
    const bytes = new Uint8Array(keys.length * rowBytes);
    for (const [row, key] of keys.entries()) {
      const index = this.find(key.namespace);
      const slot = index?.slots.slotOf(key.memoryId);
      checkArgument(index !== undefined && slot !== undefined, "no live memory under the key");
      index.vectors.readRow(slot, bytes.subarray(row * rowBytes, (row + 1) * rowBytes), this.views);
    }
    return bytes;
  }

  /** Positions of the headers that are newer than the held versions. */
  outdated(headers: readonly { namespace: string; memoryId: string; version: number }[]): number[] {
    const positions: number[] = [];
    for (const [position, header] of headers.entries()) {
      if (this.#versionOf(header) < header.version) positions.push(position);
    }
    return positions;
  }

  search(namespace: string, queries: Float32Array, k: number): PackedHits {
    const { dimension } = this.space.shape;
    checkArgument(Number.isInteger(k) && k > 0, `k is ${k}`);
    checkArgument(queries.length > 0 && queries.length % dimension === 0, "queries are not whole vectors");
    checkArgument(allFinite(queries), "a query contains a number that is not finite");
    const packer = new HitsPacker();
    const index = this.find(namespace);
    if (index !== undefined) index.search(queries, k, packer);
    else for (let query = 0; query < queries.length / dimension; query++) packer.query();
    return packer.finish();
  }

  /**
   * Computes missing digests, for a bounded number of slots. Runs while idle, and before a digest request.
   * @returns whether all digests are computed.
   */
  digestNext(slotsMax: number): boolean {
    let left = slotsMax;
    for (const index of this.namespaces) {
      const lacking = index.slots.length - index.slots.digested;
      if (lacking === 0) continue;
      if (!index.digestNext(left)) return false;
      left -= lacking;
    }
    return true;
  }

  /** Sums the digests of the live entries, which must be computed already. */
  digest(): BucketDigests {
    const digests = new BucketDigests();
    for (const { slots } of this.namespaces) {
      for (let slot = 0; slot < slots.length; slot++) {
        if (slots.isLive(slot)) digests.add(slots.bucketAt(slot), slots.digestHighAt(slot), slots.digestLowAt(slot));
      }
    }
    return digests;
  }

  count(): number {
    let count = 0;
    for (const { slots } of this.namespaces) {
      for (let slot = 0; slot < slots.length; slot++) if (slots.isLive(slot)) count++;
    }
    return count;
  }

  statistics(): Pick<HostStatistics, "namespaces" | "slots" | "slotTableBytes"> {
    let [slots, slotTableBytes] = [0, 0];
    for (const index of this.namespaces) {
      slots += index.slots.length;
      slotTableBytes += index.slots.bytes;
    }
    return { namespaces: this.namespaces.map((index) => index.statistics()), slots, slotTableBytes };
  }

  /** Releases all resources outside the JavaScript heap. */
  drop(): void {
    for (const index of this.namespaces) index.vectors.drop(this.views);
    this.views.clear();
  }

  #versionOf(key: { namespace: string; memoryId: string }): number {
    return this.find(key.namespace)?.versionOf(key.memoryId) ?? 0;
  }

  #appendRows(blocks: StagedBlocks): void {
    for (const [namespace, staged] of blocks) this.#ensure(namespace).vectors.append(staged);
  }

  #ensure(namespace: string): NamespaceIndex {
    let index = this.#byName.get(namespace);
    if (index === undefined) {
      index = new NamespaceIndex(namespace, this.space);
      this.add(index);
    }
    return index;
  }
}

/** @throws {HostError} unless there is exactly one row per change with a vector. */
export function checkRows(changes: PackedChanges, blocks: StagedBlocks): void {
  const rows = rowsByNamespace(changes);
  checkArgument(rows.size === blocks.size, `${blocks.size} blocks for the vectors of ${rows.size} namespaces`);
  for (const [namespace, expected] of rows) {
    const found = blocks.get(namespace)?.rows ?? 0;
    checkArgument(found === expected, `${found} rows for ${expected} vectors of namespace ${namespace}`);
  }
}

function sameEntry(held: WireEntry | null, found: WireEntry | null): boolean {
  if (held === null || found === null) return held === found;
  if (held.state !== found.state || held.version !== found.version) return false;
  return held.state === "tombstone" || (found.state === "live" && held.checksum === found.checksum);
}
