import { type PackedChanges, sameRows } from "../protocol/packed-changes.ts";
import { dropped } from "./faiss.ts";
import type { StagedBlock } from "./flat-space.ts";

/** Vectors of a prepared batch, by namespace, and the changes they belong to. */
export interface HeldBatch {
  readonly changes: PackedChanges;
  readonly blocks: ReadonlyMap<string, StagedBlock>;
}

interface Held extends HeldBatch {
  readonly bytes: number;
  readonly expiresAt: number;
}

/**
 * Prepared batches, invisible until they are published. Bounded in bytes and age by evicting the oldest. An evicted batch
 * does no harm: the client sends its vectors again.
 */
export class HeldBatches {
  readonly #bytesMax: number;
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** Oldest first. */
  readonly #batches = new Map<string, Held>();
  #bytes = 0;

  constructor(bytesMax: number, ttlMs: number, now: () => number = () => performance.now()) {
    this.#bytesMax = bytesMax;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  get count(): number {
    return this.#batches.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hold(token: string, batch: HeldBatch): void {
    this.discard(token);
    let bytes = 0;
    for (const block of batch.blocks.values()) bytes += block.bytes;
    const now = this.#now();
    for (const [oldest, held] of this.#batches) {
      if (held.expiresAt > now && this.#bytes + bytes <= this.#bytesMax) break;
      this.discard(oldest);
    }
    if (bytes > this.#bytesMax) return;
    this.#batches.set(token, { ...batch, bytes, expiresAt: now + this.#ttlMs });
    this.#bytes += bytes;
  }

  /** Takes the blocks held under `token` if they are exactly the vectors of `changes`; a second call finds none. */
  take(token: string, changes: PackedChanges): ReadonlyMap<string, StagedBlock> | null {
    const held = this.#batches.get(token);
    if (held === undefined || held.expiresAt <= this.#now() || !sameRows(held.changes, changes)) return null;
    this.#batches.delete(token);
    this.#bytes -= held.bytes;
    return held.blocks;
  }

  discard(token: string): void {
    const held = this.#batches.get(token);
    if (held === undefined) return;
    this.#batches.delete(token);
    this.#bytes -= held.bytes;
    dropped(held.bytes);
  }
}
