/** A memory and a version, without its vector. */
export interface WireChange {
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  /** Hex; null when this version has no vector (a tombstone, or a memory without an embedding). */
  readonly checksum: string | null;
}
