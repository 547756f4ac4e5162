import { expect, test } from "vitest";
import type { MemoryKey } from "../../../src/domain/keys.ts";
import { RecallingReads } from "../../../src/read/recalling-reads.ts";
import type { EntryIdentity, LiveEntry, StoredEntry } from "../../../src/stores/projection.ts";

const { signal } = new AbortController();
const always = (): boolean => true;
const keyOf = (memoryId: string): MemoryKey => ({ namespace: "default", memoryId });

/** Live entries by id, whose digest is their version; it notes what it is asked. */
class FakeCache {
  readonly versions = new Map<string, number>();
  readonly calls: string[] = [];
  failure: Error | null = null;

  async read(keys: readonly MemoryKey[]): Promise<(StoredEntry | null)[]> {
    this.calls.push(`read ${keys.map(({ memoryId }) => memoryId).join()}`);
    return keys.map(({ memoryId }) => this.#entry(memoryId));
  }

  async unchanged(entries: readonly EntryIdentity[]): Promise<boolean[]> {
    this.calls.push(`unchanged ${entries.map(({ memoryId }) => memoryId).join()}`);
    if (this.failure !== null) throw this.failure;
    return entries.map(({ memoryId, digest }) => digest === String(this.versions.get(memoryId)));
  }

  #entry(memoryId: string): LiveEntry | null {
    const version = this.versions.get(memoryId);
    if (version === undefined) return null;
    const data = { documentJson: Buffer.from("{}"), embedding: null, versionVector: "{}", digest: String(version) };
    return { ...keyOf(memoryId), state: "live", version, checksum: "c", modifiedAt: 1, data };
  }
}

/** As the reader does: what was read is proven, and kept. */
async function recall(reads: RecallingReads, ids: readonly string[], mayShow = always): Promise<(number | null)[]> {
  const entries = await reads.recall(ids.map(keyOf), mayShow, signal);
  return entries.map((entry) => {
    if (entry?.state !== "live") return null;
    if (!reads.isProven(entry)) reads.keep(entry);
    return entry.version;
  });
}

test("an entry that was proven is not read again while the cache still holds it", async () => {
  const cache = new FakeCache();
  for (const id of ["a", "b", "c"]) cache.versions.set(id, 1);
  const reads = new RecallingReads(cache, 1_000_000);
  expect(await recall(reads, ["a", "b"])).toEqual([1, 1]);
  expect(await recall(reads, ["c", "b", "none", "a"])).toEqual([1, 1, null, 1]);
  expect(await recall(reads, ["a", "b", "c"])).toEqual([1, 1, 1]);
  expect(cache.calls).toEqual(["read a,b", "unchanged b,a", "read c,none", "unchanged a,b,c"]);
});

test("an entry that changed or went is read anew, in its place", async () => {
  const cache = new FakeCache();
  for (const id of ["a", "b", "c"]) cache.versions.set(id, 1);
  const reads = new RecallingReads(cache, 1_000_000);
  await recall(reads, ["a", "b", "c"]);
  cache.versions.set("b", 2);
  cache.versions.delete("c");
  expect(await recall(reads, ["a", "b", "c"])).toEqual([1, 2, null]);
  expect(await recall(reads, ["a", "b", "c"])).toEqual([1, 2, null]);
  expect(cache.calls.slice(1)).toEqual(["unchanged a,b,c", "read b,c", "unchanged a,b", "read c"]);
});

test("an entry that must not be shown without a look is read anew", async () => {
  const cache = new FakeCache();
  cache.versions.set("a", 1);
  const reads = new RecallingReads(cache, 1_000_000);
  await recall(reads, ["a"]);
  expect(await recall(reads, ["a"], () => false)).toEqual([1]);
  expect(cache.calls).toEqual(["read a", "read a"]);
});

test("reads of one turn ask together, and a failure of the question fails the reads that asked it", async () => {
  const cache = new FakeCache();
  for (const id of ["a", "b", "c"]) cache.versions.set(id, 1);
  const reads = new RecallingReads(cache, 1_000_000);
  await recall(reads, ["a", "b"]);
  await Promise.all([recall(reads, ["a"]), recall(reads, ["b", "c"])]);
  expect(cache.calls.slice(1)).toEqual(["unchanged a,b", "read c"]);
  cache.failure = new Error("no answer");
  const settled = await Promise.allSettled([recall(reads, ["a"]), recall(reads, ["b"]), recall(reads, ["d"])]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
});

test("a cache that cannot tell is read each time", async () => {
  const cache = new FakeCache();
  cache.versions.set("a", 1);
  const reads = new RecallingReads({ read: (keys) => cache.read(keys) }, 1_000_000);
  expect(await recall(reads, ["a"])).toEqual([1]);
  expect(await recall(reads, ["a"])).toEqual([1]);
  expect(cache.calls).toEqual(["read a", "read a"]);
});

test("a memory that was erased is dropped", async () => {
  const cache = new FakeCache();
  for (const id of ["a", "b"]) cache.versions.set(id, 1);
  const reads = new RecallingReads(cache, 1_000_000);
  await recall(reads, ["a", "b"]);
  reads.forget([keyOf("a")]);
  expect(await recall(reads, ["a", "b"])).toEqual([1, 1]);
  expect(cache.calls.slice(1)).toEqual(["unchanged b", "read a"]);
});
