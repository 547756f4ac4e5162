import type { ChangeSource } from "../../src/domain/change-source.ts";
import { type MemoryChange, type PutChange, putChange } from "../../src/domain/memory.ts";

/** A deterministic stream of numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Vectors around `clusters` centres: neighbours are nearer than strangers, as embeddings of texts are. */
export function clusteredVectors(random: () => number, dimension: number, clusters: number): () => Float32Array {
  const centres = Array.from({ length: clusters }, () =>
    Float32Array.from({ length: dimension }, () => random() * 2 - 1),
  );
  return () => {
    const centre = centres[Math.floor(random() * clusters)] as Float32Array;
    return Float32Array.from({ length: dimension }, (_, at) => (centre[at] as number) + (random() * 2 - 1) * 0.6);
  };
}

export function uniformVectors(random: () => number, dimension: number): () => Float32Array {
  return () => Float32Array.from({ length: dimension }, () => random() * 2 - 1);
}

/** Version `version` of a memory. The checksum is made up: no store proves it here. */
export function put(memoryId: string, version: number, embedding: Float32Array, namespace = "default"): PutChange {
  const checksum = (version * 1_000_003).toString(16).padStart(8, "0").repeat(8);
  const document = { content: "", memoryType: "bench", importance: 0.5, metadata: {}, privacy: "full" as const };
  const encoded = { namespace, memoryId, document, documentJson: "{}", embedding, checksum, bucket: 0 };
  return { ...putChange(encoded, version, { versionVector: {}, modifiedAt: 1 }) };
}

export function tombstone(memoryId: string, version: number, namespace = "default"): MemoryChange {
  return { kind: "tombstone", namespace, memoryId, version, modifiedAt: 1 };
}

/** A ledger in which nothing ever happened. */
export const EMPTY_LEDGER: ChangeSource = {
  epoch: async () => "bench",
  changesAfter: async (cursor) => ({ headers: [], cursor }),
  currentChanges: async (keys) => keys.map(() => null),
};
