import { closeSync, openSync, readSync, rmSync } from "node:fs";
import { FLAT_HEADER_BYTES } from "../protocol/flat-block.ts";
import type { FaissIndex } from "./faiss.ts";
import type { FlatSpace } from "./flat-space.ts";

/** Total size of the views; the least recently used are evicted. With scratch in /dev/shm they occupy memory. */
const VIEW_BYTES_MAX = 512 * 1024 * 1024;
/** A view unused for this long is dropped: reads of vectors come in bursts, from checks. */
const IDLE_MS = 30_000;

interface View {
  readonly file: number;
  readonly rows: number;
  usedAt: number;
}

/**
 * Reads vectors back out of FAISS. The binding cannot return a stored vector, but it can write the index to a file: one
 * write per index, and rows are then sliced from the file. Indexes are append-only, so a view stays valid for the rows
 * that it covers; a read beyond them makes a new view.
 */
export class SegmentViews {
  readonly #space: FlatSpace;
  /** In order of use, most recent last (LRU). */
  readonly #views = new Map<FaissIndex, View>();
  #expiry: NodeJS.Timeout | undefined;

  constructor(space: FlatSpace) {
    this.#space = space;
  }

  /** Copies the bytes of row `row` of `index` into `target`. */
  readRow(index: FaissIndex, row: number, target: Uint8Array): void {
    const rowBytes = this.#space.rowBytes;
    readSync(this.#view(index, row).file, target, 0, rowBytes, FLAT_HEADER_BYTES + row * rowBytes);
  }

  /** Drops the view of a dropped index. */
  forget(index: FaissIndex): void {
    const view = this.#views.get(index);
    if (view === undefined) return;
    closeSync(view.file);
    this.#views.delete(index);
  }

  clear(): void {
    for (const index of [...this.#views.keys()]) this.forget(index);
    clearInterval(this.#expiry);
    this.#expiry = undefined;
  }

  #view(index: FaissIndex, row: number): View {
    const now = performance.now();
    let view = this.#views.get(index);
    if (view !== undefined && row >= view.rows) {
      this.forget(index);
      view = undefined;
    }
    if (view === undefined) {
      const path = this.#space.writeScratch(index);
      view = { file: openSync(path, "r"), rows: index.ntotal(), usedAt: now };
      rmSync(path); // The open file stays readable, and a crash of this process leaves no file behind.
      this.#expiry ??= setInterval(() => this.#expire(), IDLE_MS).unref();
    } else {
      this.#views.delete(index);
    }
    view.usedAt = now;
    this.#views.set(index, view);
    this.#limit(view);
    return view;
  }

  #limit(keep: View): void {
    let bytes = 0;
    for (const view of this.#views.values()) bytes += view.rows * this.#space.rowBytes;
    for (const [index, view] of this.#views) {
      if (bytes <= VIEW_BYTES_MAX || view === keep) return;
      bytes -= view.rows * this.#space.rowBytes;
      this.forget(index);
    }
  }

  #expire(): void {
    const oldest = performance.now() - IDLE_MS;
    for (const [index, view] of [...this.#views]) if (view.usedAt < oldest) this.forget(index);
    if (this.#views.size === 0) this.clear();
  }
}
