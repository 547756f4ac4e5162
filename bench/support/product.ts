/**
 * What is measured: the program as it is shipped, from `dist/`. Run from its sources through a loader, every function that
 * is made pays for having its name kept, a tenth of the time of a write.
 */
type Product = typeof import("../../src/index.ts");

const built = new URL("../../dist/index.js", import.meta.url).href;

export const { createLog, MemorySynchronizer } = (await import(built)) as Product;
/** The instance's type, which the class as a value does not carry along. */
export type {
  Embedder,
  MemoryInput,
  MemorySynchronizer as Synchronizer,
  Options,
  SyncOutcome,
} from "../../src/index.ts";
