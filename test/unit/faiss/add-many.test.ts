import { expect, test } from "vitest";
import { loadFaiss } from "../../../src/stores/faiss/host/faiss.ts";
import { randomNumbers, randomVector } from "./support.ts";

/** Goal: rows that are added as they are in memory are those that faiss-node's own `add` converts one by one. */

process.env.OPENBLAS_NUM_THREADS = "1";
const faiss = loadFaiss();
const DIMENSION = 24;

test.skipIf(new faiss.IndexFlatIP(1).addMany === undefined).each(["IndexFlatIP", "IndexFlatL2"] as const)(
  "%s finds the same rows, whichever way they came",
  (name) => {
    const random = randomNumbers(5);
    const rows = Float32Array.from(Array.from({ length: 500 }, () => [...randomVector(random, DIMENSION)]).flat());
    const [whole, inParts] = [new faiss[name](DIMENSION), new faiss[name](DIMENSION)];
    whole.add([...rows]);
    for (const [from, to] of [
      [0, 1],
      [1, 300],
      [300, 300],
      [300, 500],
    ] as const) {
      inParts.addMany?.(rows.subarray(from * DIMENSION, to * DIMENSION));
    }
    expect(inParts.ntotal()).toBe(500);
    for (let at = 0; at < 20; at++) {
      const query = [...randomVector(random, DIMENSION)];
      expect(inParts.search(query, 10)).toEqual(whole.search(query, 10));
    }
    expect(() => inParts.addMany?.(rows.subarray(0, DIMENSION + 1))).toThrow(/no whole vectors/);
    expect(inParts.ntotal()).toBe(500);
  },
);
