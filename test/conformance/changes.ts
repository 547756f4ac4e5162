export { DIMENSION, keyOf, put, tombstone } from "../../src/testing/changes.ts";
