/** The memories of one namespace that are known to have no vector, each with the version at which that is so. */
export class TombstoneTable {
  readonly #positions = new Map<string, number>();
  #memoryIds: (string | undefined)[] = [];
  #versions: number[] = [];
  #buckets: number[] = [];

  /** Positions ever given out, abandoned ones included. Grows until `compact`. */
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

  /** Leaves a gap rather than moving the others, so that a scan in progress misses none. */
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

  /** Closes the gaps. Positions of before mean nothing afterwards. */
  compact(): void {
    const kept = this.#memoryIds.map((_, position) => this.at(position)).filter((entry) => entry !== undefined);
    this.#memoryIds = kept.map((entry) => entry.memoryId);
    this.#versions = kept.map((entry) => entry.version);
    this.#buckets = kept.map((entry) => entry.bucket);
    this.#positions.clear();
    for (const [position, entry] of kept.entries()) this.#positions.set(entry.memoryId, position);
  }
}
