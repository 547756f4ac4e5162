import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dropped, type FaissIndex, loadFaiss } from "../../src/stores/faiss/host/faiss.ts";
import { createFlatBlock } from "../../src/stores/faiss/protocol/flat-block.ts";
import { verify } from "../support/report.ts";

/**
 * FAISS alone, in this very process: blocks of vectors as files in FAISS's own format on a memory file system, read and
 * merged, which is its fastest way in. No ids, no versions, nothing on disk; the process that adds cannot do anything else.
 */
export class FaissFloor {
  readonly #dimension: number;
  readonly #faiss = loadFaiss();
  readonly #folder: string;
  readonly #index: FaissIndex;

  constructor(dimension: number) {
    this.#dimension = dimension;
    this.#folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "mnemosync-bench-"));
    this.#index = new this.#faiss.IndexFlatIP(dimension);
  }

  get count(): number {
    return this.#index.ntotal();
  }

  add(vectors: readonly Float32Array[]): void {
    const block = createFlatBlock({ dimension: this.#dimension, metric: "cosine" }, vectors.length);
    vectors.forEach((vector, row) => void block.vectors.set(vector, row * this.#dimension));
    const path = join(this.#folder, "block");
    writeFileSync(path, block.bytes);
    this.#index.mergeFrom(this.#faiss.IndexFlatIP.read(path));
    dropped(block.bytes.byteLength);
  }

  /** Rows nearest to each query, nearest first. */
  search(queries: readonly Float32Array[], k: number): number[][] {
    const { labels } = this.#index.search(
      queries.flatMap((query) => Array.from(query)),
      k,
    );
    return queries.map((_, query) => labels.slice(query * k, (query + 1) * k));
  }

  /** The vectors that were added from row `from` on are found where they were put. */
  verifyHeld(sample: readonly { readonly row: number; readonly vector: Float32Array }[], count: number): void {
    verify(this.count === count, `the floor's index has ${this.count} rows, not ${count}`);
    for (const { row, vector } of sample) {
      const [found] = this.search([vector], 1);
      verify(found?.[0] === row, `a search for row ${row} of the floor finds ${found?.[0]}`);
    }
  }

  /** Writes the index to a file, for measuring how FAISS reads one. */
  save(path: string): void {
    this.#index.write(path);
  }

  /** FAISS's own read of an index file. @returns its rows. */
  load(path: string): number {
    const index = this.#faiss.IndexFlatIP.read(path);
    const rows = index.ntotal();
    dropped(rows * this.#dimension * 4);
    return rows;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
