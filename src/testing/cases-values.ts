import assert from "node:assert/strict";
import { checksumOf, embeddingBytes } from "../domain/checksum.ts";
import type { PutChange } from "../domain/memory.ts";
import type { LiveEntry } from "../stores/projection.ts";
import { assertAll, assertMatches } from "./assertions.ts";
import { keyOf } from "./changes.ts";
import { type CaseGroup, type StoreUnderTest, soon } from "./store-under-test.ts";

const SMALLEST = 2 ** -149;
const LARGEST = 3.4028234663852886e38;

/** Ids that break faulty separators, escapes or encodings. */
const IDS = [
  ":",
  "a:b:c",
  ":leading",
  "trailing:",
  " spaces  inside ",
  "line\nbreak\r\n",
  "tab\tand\u0001control\u007f",
  "quote\"and'and`",
  "back\\slash",
  "{curly}",
  "*?[]",
  "$1",
  "%s",
  "é",
  "e\u0301",
  "\ufeffmark",
  "\uffff",
  "emoji 👩‍👩‍👧‍👦 🎉",
  "__proto__",
  "constructor",
  "null",
  "0",
  "x".repeat(512),
  "👍".repeat(128),
];

/** Repeated to the store's dimension. */
const VECTORS: Record<string, number[]> = {
  "negative zero": [-0, 0, 1, -0, 0, -1, 0, -0],
  "subnormal numbers": [SMALLEST, -SMALLEST, 1, 2 * SMALLEST, 1e-40, -1e-40, 2 ** -127, 0.5],
  "small and large together": [1e-30, 1e15, -1e15, 1e-15, 7, -7, 0.1, 0.2],
  "numbers that no decimal meets": [0.1, 0.2, 0.3, 1 / 3, Math.PI, Math.E, -1 / 7, 1e-7],
};
/** Vectors whose naive normalization overflows. */
const EXTREMES = { extremes: [LARGEST, -LARGEST, 1, SMALLEST, 0, -0, LARGEST, 1] };

async function readBack({ projection }: StoreUnderTest, changes: readonly PutChange[]): Promise<LiveEntry[]> {
  const entries = await projection.read(changes.map(keyOf), { data: true }, soon());
  for (const entry of entries) assert.equal(entry?.state, "live");
  return entries as LiveEntry[];
}

export const VALUES: CaseGroup = {
  name: "a published memory",
  cases: {
    "reads back under ids with any characters, each id separately": async (store) => {
      const changes = IDS.flatMap((id, number) => [
        store.put(id, number + 1),
        store.put(id, number + 101, { namespace: "A-z.0_9" }),
        store.put(id, number + 201, { namespace: "n".repeat(128) }),
      ]);
      assertAll(await store.publish(...changes), "applied", changes.length);
      const entries = await readBack(store, changes);
      entries.forEach(({ namespace, memoryId, version, checksum }, number) => {
        const change = changes[number]!;
        const expected = { ...keyOf(change), version: change.version, checksum: change.checksum };
        assert.deepEqual({ namespace, memoryId, version, checksum }, expected);
      });
      const scanned = await store.scanAll({ limit: 10_000 });
      const text = ({ namespace, memoryId }: { namespace: string; memoryId: string }) =>
        JSON.stringify([namespace, memoryId]);
      assert.deepEqual(new Set(scanned.map(text)), new Set(changes.map(text)));
      assert.equal(await store.count(), changes.length);
    },

    "has exactly the published bytes, so that its checksum can be verified": async (store) => {
      const changes = Array.from({ length: 300 }, (_, number) => store.put(`n${number}`, number + 1));
      await store.publish(...changes);
      const entries = await readBack(store, changes);
      entries.forEach((entry, number) => {
        const change = changes[number]!;
        assert.equal(store.projection.flaw(entry, change), null);
        const bytes = entry.data?.embedding?.byteLength ?? null;
        assert.equal(bytes, store.holdsVectors ? 4 * store.dimension : null, "bytes of the vector");
        if (!store.holdsDocuments) return;
        const { documentJson, versionVector, embedding } = entry.data!;
        assert.equal(documentJson?.toString(), change.documentJson);
        assert.deepEqual(JSON.parse(versionVector ?? "null"), change.versionVector);
        assert.equal(entry.modifiedAt, change.modifiedAt);
        assert.equal(checksumOf(documentJson!, store.holdsVectors ? embedding : change.embedding), change.checksum);
      });
    },

    "keeps every bit of a vector, including zeros of either sign and extreme numbers": async (store) => {
      const vectors = Object.entries(store.exactVectors ? { ...VECTORS, ...EXTREMES } : VECTORS);
      const changes = vectors.map(([name, values]) =>
        store.put(name, 1, { embedding: repeated(values, store.dimension) }),
      );
      await store.publish(...changes);
      const entries = await readBack(store, changes);
      entries.forEach((entry, number) => {
        const change = changes[number]!;
        assert.equal(store.projection.flaw(entry, change), null);
        if (!store.holdsVectors) return;
        const stored = entry.data!.embedding!;
        if (store.exactVectors)
          assert.ok(embeddingBytes(change.embedding!).equals(stored), `bytes of "${change.memoryId}"`);
        const components = new Float32Array(new Uint8Array(stored).buffer);
        change.embedding!.forEach((component, place) => {
          // Normalization keeps sign bits too.
          if (component === 0) assert.ok(Object.is(components[place], component), `sign of component ${place}`);
        });
      });
    },

    "without a vector is held only by a store that keeps documents": async (store) => {
      const { projection } = store;
      const change = store.put("plain", 2, { embedding: null });
      await store.publish(store.put("plain", 1), change);
      const entry = await store.read("plain", "default", true);
      if (store.holdsDocuments) {
        assertMatches(entry, { state: "live", version: 2, data: { embedding: null } });
        assert.equal(projection.flaw(entry as LiveEntry, change), null);
      } else {
        assertMatches(entry, { state: "tombstone", version: 2 });
        assert.deepEqual(await store.publish(store.put("plain", 1)), ["stale"]);
      }
    },

    "has a flaw when its document or vector differs, and the flaw describes the difference": async (store) => {
      const { projection } = store;
      const change = store.put("a", 1);
      await store.publish(change);
      const [entry] = await readBack(store, [change]);
      const flawOf = (data: Partial<LiveEntry["data"]>) =>
        projection.flaw({ ...entry!, data: { ...entry!.data!, ...data } }, change) ?? "";
      assert.equal(flawOf({}), "");
      if (store.holdsVectors) {
        const flipped = Buffer.from(entry!.data!.embedding!);
        flipped[13 % flipped.length]! ^= 1;
        assert.match(flawOf({ embedding: flipped }), /\S/);
        assert.match(flawOf({ embedding: null }), /\S/);
      }
      if (!store.holdsDocuments) return;
      const documentJson = Buffer.from(change.documentJson.replace("at 1", "at 2"));
      assert.match(flawOf({ documentJson }), /\S/);
    },

    "is read without its bytes when they are not requested": async (store) => {
      await store.publish(store.put("a", 1));
      assert.equal("data" in ((await store.read("a")) ?? {}), false);
    },
  },
};

/** Repeats `values`; the result is never all zeros, which have no direction. */
function repeated(values: readonly number[], dimension: number): Float32Array {
  const vector = Float32Array.from({ length: dimension }, (_, index) => values[index % values.length]!);
  if (vector.every((component) => component === 0)) vector[dimension - 1] = 1;
  return vector;
}
