import { BucketDigests } from "../../../memory/buckets.ts";
import type { HostStatistics, SearchHit, WireChange, WireEntry, WireReplacement } from "../messages.ts";
import type { FlatSpace, StagedBlock } from "./flat-space.ts";
import { checkArgument } from "./host-error.ts";
import { NamespaceIndex } from "./namespace-index.ts";
import { SegmentViews } from "./segment-views.ts";

export type StagedBlocks = ReadonlyMap<string, StagedBlock>;

/** All memories, each namespace in an index of its own, so that no search can cross into another. */
export class MemoryIndex {
  readonly space: FlatSpace;
  readonly views: SegmentViews;
  /** In the order of their creation; a namespace keeps its place even when it is empty. */
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

  /** Makes changes visible, each unless that version or a newer one is held. Blocks fit the changes (see `checkRows`). */
  publish(changes: readonly WireChange[], blocks: StagedBlocks): ("applied" | "stale")[] {
    this.#appendRows(blocks);
    return changes.map((change) => {
      const index = this.#ensure(change.namespace);
      if (index.versionOf(change.memoryId) >= change.version) {
        index.skip(change);
        return "stale";
      }
      index.set(change);
      return "applied";
    });
  }

  /** Whether each change with a vector would be stale: then publishing needs no vectors. */
  allVectorsStale(changes: readonly WireChange[]): boolean {
    return changes.every((change) => change.checksum === null || this.#versionOf(change) >= change.version);
  }

  /** Makes changes take the place of exactly what was found, at whatever version. */
  replace(replacements: readonly WireReplacement[], blocks: StagedBlocks): ("applied" | "moved")[] {
    this.#appendRows(blocks);
    return replacements.map(({ namespace, memoryId, found, change }) => {
      const index = this.#ensure(namespace);
      if (!sameEntry(index.entry(memoryId), found)) {
        if (change !== null) index.skip(change);
        return "moved";
      }
      if (change !== null) index.set(change);
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

  /** Stored bytes of the vectors of live memories, one row each. */
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

  /** Positions of the headers that are newer than what is held. */
  outdated(headers: readonly { namespace: string; memoryId: string; version: number }[]): number[] {
    const positions: number[] = [];
    for (const [position, header] of headers.entries()) {
      if (this.#versionOf(header) < header.version) positions.push(position);
    }
    return positions;
  }

  search(namespace: string, queries: Float32Array, k: number): SearchHit[][] {
    const { dimension } = this.space.shape;
    checkArgument(Number.isInteger(k) && k > 0, `k is ${k}`);
    checkArgument(queries.length > 0 && queries.length % dimension === 0, "queries are not whole vectors");
    checkArgument(queries.every(Number.isFinite), "a query contains a number that is not finite");
    const index = this.find(namespace);
    return index?.search(queries, k) ?? Array.from({ length: queries.length / dimension }, () => []);
  }

  /** From the entries themselves, live ones only. */
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

  statistics(): HostStatistics["namespaces"] {
    return this.namespaces.map(({ namespace, slots, tombstones }) => ({
      namespace,
      live: slots.liveCount,
      dead: slots.deadCount,
      tombstones: tombstones.count,
    }));
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

/** @throws {HostError} unless there is a row for each change with a checksum, and none besides. */
export function checkRows(changes: readonly WireChange[], blocks: StagedBlocks): void {
  const rows = new Map<string, number>();
  for (const change of changes) {
    if (change.checksum !== null) rows.set(change.namespace, (rows.get(change.namespace) ?? 0) + 1);
  }
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
