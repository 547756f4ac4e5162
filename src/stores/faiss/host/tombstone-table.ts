/** The tombstones of one namespace: memories known to have no vector, with the version of that state. */
export class TombstoneTable {
  readonly #positions = new Map<string, number>();
  #memoryIds: (string | undefined)[] = [];
  #versions: number[] = [];
  #buckets: number[] = [];

  /** Number of positions, gaps included. Grows until `compact`. */
  get length(): number {
    return this.#memoryIds.length;
  }

  get count(): number {
    return this.#positions.size;
  }

  /** Undefined when there is none. */
  versionOf(memoryId: string): number | undefined {
    const position = this.#positions.get(memoryId);
    return position === undefined ? undefined : this.#versions[position];
  }

  set(memoryId: string, version: number, bucket: number): void {
    const position = this.#positions.get(memoryId);
    if (position !== undefined) {
      this.#versions[position] = version;
      return;
    }
    this.#positions.set(memoryId, this.#memoryIds.length);
    this.#memoryIds.push(memoryId);
    this.#versions.push(version);
    this.#buckets.push(bucket);
  }

  /** Leaves a gap instead of shifting the others, so that a scan in progress misses none. */
  delete(memoryId: string): void {
    const position = this.#positions.get(memoryId);
    if (position === undefined) return;
    this.#positions.delete(memoryId);
    this.#memoryIds[position] = undefined;
  }

  /** Undefined for a gap. */
  at(position: number): { memoryId: string; version: number; bucket: number } | undefined {
    const memoryId = this.#memoryIds[position];
    if (memoryId === undefined) return undefined;
    return { memoryId, version: this.#versions[position]!, bucket: this.#buckets[position]! };
  }

  /** Removes the gaps. Invalidates all earlier positions. */
  compact(): void {
    const kept = this.#memoryIds.map((_, position) => this.at(position)).filter((entry) => entry !== undefined);
    this.#memoryIds = kept.map((entry) => entry.memoryId);
    this.#versions = kept.map((entry) => entry.version);
    this.#buckets = kept.map((entry) => entry.bucket);
    this.#positions.clear();
    for (const [position, entry] of kept.entries()) this.#positions.set(entry.memoryId, position);
  }
}
