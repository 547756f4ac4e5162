import { expect, test } from "vitest";
import { RecentPublishes } from "../../../src/stores/faiss/client/recent-publishes.ts";
import type { StagedBlock } from "../../../src/stores/faiss/host/flat-space.ts";
import { HeldBatches } from "../../../src/stores/faiss/host/held-batches.ts";
import {
  ChangeCursor,
  type PackedChanges,
  packedFlaw,
  packWireChanges,
  rowsByNamespace,
} from "../../../src/stores/faiss/protocol/packed-changes.ts";
import type { WireChange } from "../../../src/stores/faiss/protocol/wire-change.ts";
import { resolveOptions } from "../../../src/stores/faiss/settings.ts";

const change = (memoryId: string, version = 1): WireChange => ({
  namespace: "n",
  memoryId,
  version,
  checksum: "0".repeat(64),
});
const packed = (...changes: WireChange[]): PackedChanges => packWireChanges(changes.length, (at) => changes[at]!);
const block = (bytes: number): ReadonlyMap<string, StagedBlock> => new Map([["n", { rows: 1, bytes, rowsIn: [1] }]]);

test("a held batch is taken once, and only for exactly its own changes", () => {
  const held = new HeldBatches(100, 1_000, () => 0);
  held.hold("t", { changes: packed(change("a")), blocks: block(10) });
  expect(held.take("t", packed({ ...change("a"), checksum: "1".repeat(64) }))).toBeNull();
  expect(held.take("t", packed(change("b")))).toBeNull();
  expect(held.take("t", packed())).toBeNull();
  // The version is given out after the batch was prepared.
  expect(held.take("t", packed({ ...change("z"), checksum: null }, change("a", 2)))).toEqual(block(10));
  expect(held.take("t", packed(change("a")))).toBeNull();
  expect([held.count, held.bytes]).toEqual([0, 0]);
});

test("held batches are bounded in bytes and age: the oldest are evicted, and an oversized batch is not held", () => {
  let now = 0;
  const held = new HeldBatches(100, 1_000, () => now);
  for (const token of ["a", "b", "c"]) held.hold(token, { changes: packed(change(token)), blocks: block(40) });
  expect([held.count, held.bytes]).toEqual([2, 80]);
  expect(held.take("a", packed(change("a")))).toBeNull();
  held.hold("huge", { changes: packed(change("huge")), blocks: block(101) });
  expect(held.bytes).toBeLessThanOrEqual(100);
  expect(held.take("huge", packed(change("huge")))).toBeNull();
  held.hold("d", { changes: packed(change("d")), blocks: block(40) });
  now = 1_000;
  expect(held.take("d", packed(change("d")))).toBeNull();
  held.hold("d", { changes: packed(change("d", 2)), blocks: block(40) });
  held.discard("d");
  held.discard("d");
  expect(held.bytes).toBe(0);
});

test("recent publishes keep the newest version, and are bounded in time and number", () => {
  let now = 0;
  const recent = new RecentPublishes(() => now);
  recent.note(packed(change("a", 5), change("b", 1)));
  recent.note(packed(change("a", 4), { ...change("c"), checksum: null }));
  expect(recent.headers()).toEqual([
    { namespace: "n", memoryId: "a", version: 5 },
    { namespace: "n", memoryId: "b", version: 1 },
    { namespace: "n", memoryId: "c", version: 1 },
  ]);
  now = 16 * 60_000;
  recent.note(packed(change("d")));
  expect(recent.headers().map(({ memoryId }) => memoryId)).toEqual(["d"]);
  for (let index = 0; index < 70; index++) {
    recent.note(packed(...Array.from({ length: 1_000 }, (_, at) => change(`m${index * 1_000 + at}`))));
  }
  expect(recent.size).toBe(65_000);
  expect(recent.headers().at(-1)?.memoryId).toBe("m69999");
  recent.clear();
  expect([recent.size, recent.headers()]).toEqual([0, []]);
});

test("packed changes read back unchanged, whatever their ids; truncated columns are detected", () => {
  const changes: WireChange[] = [
    { namespace: "a", memoryId: "m", version: 1, checksum: "00".repeat(32) },
    { namespace: "b", memoryId: "größe 🙂", version: 2 ** 52, checksum: null },
    { namespace: "a", memoryId: "x".repeat(500), version: 3, checksum: "fe".repeat(32) },
  ];
  const all = packed(...changes);
  const found: WireChange[] = [];
  for (const cursor = new ChangeCursor(all); cursor.next(); ) {
    const { namespace, memoryId, version, hasVector } = cursor;
    const checksum = hasVector ? Buffer.from(cursor.checksum).toString("hex") : null;
    found.push({ namespace, memoryId, version, checksum });
  }
  expect(found).toEqual(changes);
  expect([...rowsByNamespace(all)]).toEqual([["a", 2]]);
  expect(packedFlaw(all)).toBeNull();
  const broken: Partial<PackedChanges>[] = [
    { count: 2 },
    { count: 4 },
    { namespaces: ["a"] },
    { memoryIds: all.memoryIds.subarray(1, 4) },
    { memoryIds: Buffer.concat([all.memoryIds, Buffer.from("tail")]) },
    { versions: Float64Array.of(1, 0, 3) },
    { versions: Float64Array.of(1, Number.NaN, 3) },
    { checksums: all.checksums.subarray(1) },
  ];
  for (const part of broken) expect(packedFlaw({ ...all, ...part }), JSON.stringify(Object.keys(part))).not.toBeNull();
  expect(() => packed({ ...changes[0]!, checksum: "zz".repeat(32) })).toThrow(/64 hex digits/);
});

test("options out of bounds are refused by name, value and bounds", () => {
  const good = { directory: "/tmp/x", dimension: 8 };
  expect(resolveOptions(good)).toMatchObject({ metric: "cosine", model: null, snapshotsKept: 2, hostStallMs: 60_000 });
  expect(() => resolveOptions({ ...good, dimension: 0 })).toThrow(
    "option faiss.dimension: Too small: expected number to be >=1; found 0",
  );
  expect(() => resolveOptions({ ...good, dimension: 1.5 })).toThrow(/dimension/);
  expect(() => resolveOptions({ ...good, directory: "" })).toThrow(/directory/);
  expect(() => resolveOptions({ ...good, metric: "manhattan" as "ip" })).toThrow(/metric/);
  expect(() => resolveOptions({ ...good, hostPingIntervalMs: 5_000, hostStallMs: 6_000 })).toThrow(/hostStallMs/);
});
