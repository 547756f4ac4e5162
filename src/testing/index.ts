export { keyOf, type PutFields, put, tombstone } from "./changes.ts";
export {
  type ConformanceCase,
  ConformanceError,
  type ConformanceResult,
  conformanceCases,
  runConformance,
} from "./conformance.ts";
export type { OpenedStore, OpenStore } from "./store-under-test.ts";
export { unitVector } from "./vectors.ts";
