import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BucketDigests, BucketSet } from "../../src/domain/buckets.ts";
import { ClosedError, StoreRefusedError, StoreUnavailableError, ValidationError } from "../../src/domain/errors.ts";
import { bucketOf, keyText } from "../../src/domain/keys.ts";
import type { PutChange } from "../../src/domain/memory.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { FaissOptions } from "../../src/stores/faiss/options.ts";
import type { LiveEntry, StoredEntry } from "../../src/stores/projection.ts";
import { MemorySource, put, randomNumbers, randomVector, temporaryFolder, tombstone } from "../unit/faiss/support.ts";

const DIMENSION = 16;
const random = randomNumbers(42);
const vector = (): Float32Array => randomVector(random, DIMENSION);
const within = (ms = 90_000): AbortSignal => AbortSignal.timeout(ms);

/** An index of its own for one test. */
async function openIndex(
  options: Partial<FaissOptions> = {},
): Promise<{ index: FaissProjection; close(): Promise<void> }> {
  const folder = await temporaryFolder();
  const index = await FaissProjection.open(
    { directory: folder.path, dimension: DIMENSION, ...options },
    { source: new MemorySource() },
    within(),
  );
  return {
    index,
    close: async () => {
      await index.close();
      await folder.remove();
    },
  };
}

async function scanAll(index: FaissProjection, buckets?: BucketSet, limit = 100): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  let cursor: string | null = null;
  do {
    const page = await index.scan(cursor, buckets === undefined ? { limit } : { limit, buckets }, within());
    entries.push(...page.entries);
    cursor = page.cursor;
  } while (cursor !== null);
  return entries;
}

/** The score by definition, in double precision. */
function score(metric: "cosine" | "ip" | "l2", a: Float32Array, b: Float32Array): number {
  const dot = (left: Float32Array, right: Float32Array): number =>
    left.reduce((sum, component, at) => sum + component * right[at]!, 0);
  if (metric === "ip") return dot(a, b);
  if (metric === "cosine") return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return -Math.sqrt(a.reduce((sum, component, at) => sum + (component - b[at]!) ** 2, 0));
}

describe("one index", () => {
  let index: FaissProjection;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ index, close } = await openIndex());
  });
  afterAll(() => close());

  test("publishes each version once and never goes back", async () => {
    const [first, second] = [put("once", 1, vector()), put("once", 2, vector())];
    expect(await index.publish([first], within())).toEqual(["applied"]);
    expect(await index.publish([first], within())).toEqual(["stale"]);
    expect(await index.publish([second, first], within())).toEqual(["applied", "stale"]);
    const [entry] = await index.read([first], { data: true }, within());
    expect(entry).toMatchObject({ state: "live", version: 2, checksum: second.checksum, modifiedAt: null });
    expect(index.flaw(entry as LiveEntry, second)).toBeNull();
    expect(index.flaw(entry as LiveEntry, first)).toMatch(/bytes/);
  });

  test("a late publish resurrects neither a deleted memory nor a removed vector", async () => {
    const [old, other] = [put("gone", 1, vector()), put("bare", 1, vector())];
    await index.publish([old, other], within());
    expect(await index.publish([tombstone("gone", 3), put("bare", 3, null)], within())).toEqual(["applied", "applied"]);
    const late = [put("gone", 2, vector()), put("bare", 2, vector()), tombstone("gone", 3)];
    expect(await index.publish(late, within())).toEqual(["stale", "stale", "stale"]);
    expect(await index.read([old, other], { data: true }, within())).toEqual([
      { state: "tombstone", namespace: "default", memoryId: "gone", version: 3 },
      { state: "tombstone", namespace: "default", memoryId: "bare", version: 3 },
    ]);
    const ids = (await index.search("default", old.embedding as Float32Array, 1_000, within())).map(
      (hit) => hit.memoryId,
    );
    expect(ids).not.toContain("gone");
    expect(ids).not.toContain("bare");
    expect(await index.publish([put("gone", 4, vector())], within())).toEqual(["applied"]);
  });

  test("the same memory twice in one call keeps its order", async () => {
    const changes = [
      put("twice", 1, vector()),
      put("twice", 2, vector()),
      tombstone("twice", 3),
      put("twice", 4, vector()),
    ];
    expect(await index.publish(changes, within())).toEqual(["applied", "applied", "applied", "applied"]);
    expect(await index.read(changes.slice(0, 1), { data: false }, within())).toMatchObject([
      { version: 4, state: "live" },
    ]);
  });

  test("a prepared batch is invisible until it is published with its held vectors", async () => {
    const batch = [
      put("prepared", 1, vector()),
      tombstone("prepared-tombstone", 1),
      put("prepared-2", 1, vector(), "other"),
    ];
    await index.prepare({ token: "token-1", changes: batch }, within());
    expect(await index.read(batch, { data: true }, within())).toEqual([null, null, null]);
    expect((await index.statistics(within())).host?.heldBatches).toBe(1);
    expect(await index.publish(batch, within(), "token-1")).toEqual(["applied", "applied", "applied"]);
    expect((await index.statistics(within())).host?.heldBatches).toBe(0);
    expect(await index.publish(batch, within(), "token-1")).toEqual(["stale", "stale", "stale"]);
    const [first, , third] = await index.read(batch, { data: true }, within());
    expect(index.flaw(first as LiveEntry, batch[0] as PutChange)).toBeNull();
    expect(index.flaw(third as LiveEntry, batch[2] as PutChange)).toBeNull();
  });

  test("a discarded, an unknown or a different batch under the token does not fail the publish", async () => {
    const batch = [put("discarded", 1, vector())];
    await index.prepare({ token: "token-2", changes: batch }, within());
    await index.discard("token-2", within());
    await index.discard("token-2", within());
    await index.discard("never seen", within());
    expect(await index.publish(batch, within(), "token-2")).toEqual(["applied"]);
    await index.prepare({ token: "token-3", changes: [put("other", 1, vector()), put("kept", 1, vector())] }, within());
    const published = put("kept", 1, vector());
    expect(await index.publish([published], within(), "token-3")).toEqual(["applied"]);
    const [entry] = await index.read([published], { data: true }, within());
    expect(index.flaw(entry as LiveEntry, published)).toBeNull();
    expect((await index.statistics(within())).host?.heldBatches).toBe(0);
  });

  test("a vector that does not fit is refused, and nothing of its call happens", async () => {
    const good = put("unharmed", 1, vector());
    const wrong = [
      new Float32Array(DIMENSION),
      new Float32Array(3).fill(1),
      new Float32Array(DIMENSION).fill(Number.NaN),
    ];
    for (const bad of wrong) {
      const changes = [good, { ...put("bad", 1, vector()), embedding: bad }];
      await expect(index.publish(changes, within())).rejects.toThrow(StoreRefusedError);
      await expect(index.prepare({ token: "bad", changes }, within())).rejects.toThrow(/memory "bad": embedding/);
    }
    expect(await index.read([good], { data: false }, within())).toEqual([null]);
    await expect(index.search("default", new Float32Array(3), 1, within())).rejects.toThrow(ValidationError);
    for (const k of [0, -1, 1.5, 100_001, Number.NaN]) {
      await expect(index.search("default", vector(), k, within())).rejects.toThrow(ValidationError);
    }
  });

  test("namespaces are kept apart", async () => {
    const shared = vector();
    const here = put("same-id", 1, shared, "here");
    const there = put("same-id", 7, shared, "there");
    await index.publish([here, there, put("more", 1, shared, "there")], within());
    expect(await index.search("here", shared, 10, within())).toMatchObject([{ memoryId: "same-id", version: 1 }]);
    expect((await index.search("there", shared, 10, within())).map(({ memoryId }) => memoryId)).toEqual([
      "more",
      "same-id",
    ]);
    expect(await index.search("nowhere", shared, 10, within())).toEqual([]);
    await index.publish([tombstone("same-id", 2, "here")], within());
    expect(await index.read([here, there], { data: false }, within())).toMatchObject([
      { state: "tombstone", version: 2 },
      { state: "live", version: 7 },
    ]);
  });

  test("replace overrules versions, and only what was really found", async () => {
    const held = put("replaced", 9, vector());
    await index.publish([held], within());
    const key = { namespace: "default", memoryId: "replaced" };
    const [found] = (await index.read([key], { data: true }, within())) as [StoredEntry];
    const change = put("replaced", 3, vector());
    const absent = {
      key: { namespace: "default", memoryId: "absent" },
      found: null,
      change: put("absent", 1, vector()),
    };
    const malformed = { ...found, state: "malformed" as const, reason: "looks odd" };
    expect(
      await index.replace(
        [
          { key, found: null, change },
          { key, found: { ...(found as LiveEntry), version: 8 }, change },
          { key, found: { ...(found as LiveEntry), checksum: "0".repeat(64) }, change },
          { key, found: malformed, change },
          { key, found, change },
          { key, found, change: null },
          absent,
          absent,
        ],
        within(),
      ),
    ).toEqual(["moved", "moved", "moved", "moved", "applied", "moved", "applied", "moved"]);
    const [now] = (await index.read([key], { data: true }, within())) as [StoredEntry];
    expect(now).toMatchObject({ state: "live", version: 3 });
    expect(index.flaw(now as LiveEntry, change)).toBeNull();
    expect(await index.replace([{ key, found: now, change: tombstone("replaced", 2) }], within())).toEqual(["applied"]);
    const [dead] = (await index.read([key], { data: true }, within())) as [StoredEntry];
    expect(dead).toMatchObject({ state: "tombstone", version: 2 });
    expect(await index.replace([{ key, found: dead, change: null }], within())).toEqual(["applied"]);
    expect(await index.read([key], { data: true }, within())).toEqual([null]);
  });

  test("scan, digest and count agree with each other and with the keys", async () => {
    const entries = await scanAll(index, undefined, 7);
    const live = entries.filter((entry) => entry.state === "live");
    expect(new Set(entries.map(keyText)).size).toBe(entries.length);
    expect(await index.count(within())).toBe(live.length);
    const digests = new BucketDigests();
    for (const { namespace, memoryId, version, checksum } of live) {
      const change = { ...put(memoryId, version, null, namespace), checksum };
      const { entryDigest } = await import("../../src/domain/checksum.ts");
      digests.addHex(bucketOf(change), entryDigest(change, version, checksum));
    }
    expect((await index.digest(within())).differences(digests)).toEqual([]);

    const buckets = new BucketSet();
    for (const entry of entries.slice(0, 3)) buckets.add(bucketOf(entry));
    const some = await scanAll(index, buckets);
    expect(some.map(keyText).sort()).toEqual(
      entries
        .filter((entry) => buckets.has(bucketOf(entry)))
        .map(keyText)
        .sort(),
    );
  });

  test("aborted calls reject with their reason, and the index keeps working", async () => {
    await expect(index.count(AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
    const late = AbortSignal.abort(new DOMException("too late", "TimeoutError"));
    await expect(index.count(late)).rejects.toThrow(StoreUnavailableError);
    expect(await index.health(within())).toEqual({ state: "healthy" });
  });
});

for (const metric of ["cosine", "ip", "l2"] as const) {
  test(`search finds exactly the k nearest by ${metric}, whatever is dead, at whatever k`, async () => {
    const { index, close } = await openIndex({ metric });
    try {
      const live = new Map<string, Float32Array>();
      const changes = Array.from({ length: 600 }, (_, at) => put(`m${at}`, 1, vector()));
      await index.publish(changes, within());
      const query = vector();
      // The nearest 300 die, so that nearly everything that FAISS answers first is dead.
      changes.sort((a, b) => score(metric, query, b.embedding!) - score(metric, query, a.embedding!));
      await index.publish(
        changes.slice(0, 300).map(({ memoryId }) => tombstone(memoryId, 2)),
        within(),
      );
      for (const change of changes.slice(300)) live.set(change.memoryId, change.embedding!);
      for (const k of [1, 10, 299, 300, 301, 10_000]) {
        const hits = await index.search("default", query, k, within());
        expect(hits.map(({ memoryId }) => memoryId)).toEqual([...live.keys()].slice(0, k));
        for (const hit of hits) expect(hit.score).toBeCloseTo(score(metric, query, live.get(hit.memoryId)!), 4);
      }
      const queries = Array.from({ length: 30 }, vector);
      const many = await Promise.all(queries.map((one) => index.search("default", one, 5, within())));
      for (const [at, hits] of many.entries()) {
        const one = await index.search("default", queries[at]!, 5, within());
        expect(hits.map(({ memoryId }) => memoryId)).toEqual(one.map(({ memoryId }) => memoryId));
      }
    } finally {
      await close();
    }
  });

  test(`vectors read back bit for bit under ${metric}, after updates and compaction too`, async () => {
    const { index, close } = await openIndex({ metric });
    try {
      const current = new Map<string, PutChange>();
      for (let version = 1; version <= 3; version++) {
        const changes = Array.from({ length: 50 * version }, (_, at) => put(`m${at}`, version, vector()));
        await index.publish(changes, within());
        for (const change of changes) current.set(change.memoryId, change);
        if (version === 2) await index.compact(within());
        const entries = await index.read([...current.values()], { data: true }, within());
        for (const [at, change] of [...current.values()].entries()) {
          expect(index.flaw(entries[at] as LiveEntry, change)).toBeNull();
        }
      }
    } finally {
      await close();
    }
  });
}

test("ties come in the order of their ids", async () => {
  const { index, close } = await openIndex();
  try {
    const same = vector();
    await index.publish(
      ["b", "a", "ä", "c", "B"].map((id) => put(id, 1, same)),
      within(),
    );
    expect((await index.search("default", same, 5, within())).map(({ memoryId }) => memoryId)).toEqual([
      "B",
      "a",
      "b",
      "c",
      "ä",
    ]);
  } finally {
    await close();
  }
});

test("dead slots are compacted automatically, and a scan across a compaction misses nothing", async () => {
  const { index, close } = await openIndex();
  try {
    const changes = Array.from({ length: 1_500 }, (_, at) => put(`m${at}`, 1, vector()));
    await index.publish(changes, within());
    await index.publish([tombstone("m-old", 5), put("n", 1, vector(), "second")], within());
    const seen = new Set<string>();
    let cursor: string | null = null;
    for (let page = 0; cursor !== null || page === 0; page++) {
      const { entries, cursor: next } = await index.scan(cursor, { limit: 200 }, within());
      for (const entry of entries) seen.add(keyText(entry));
      cursor = next;
      if (page === 2) {
        const updates = changes.map(({ memoryId }) => put(memoryId, 2, vector()));
        await index.publish([...updates, put("m7", 3, vector())], within());
        await expect.poll(async () => (await index.statistics(within())).host?.compactions).toBe(1);
      }
      // What was live behind the scan dies, what was dead before it lives.
      if (page === 3) await index.publish([tombstone("m1", 3), put("m-old", 6, vector())], within());
    }
    expect(
      [...changes.map(keyText), keyText(put("m-old", 1, null)), keyText(put("n", 1, null, "second"))].filter(
        (key) => !seen.has(key),
      ),
    ).toEqual([]);
    const { host } = await index.statistics(within());
    expect(host?.namespaces[0]).toMatchObject({ live: 1_500, dead: 1, tombstones: 1 });
  } finally {
    await close();
  }
});

test("large batches travel by file, and every one of them arrives", async () => {
  const dimension = 384;
  const { index, close } = await openIndex({ dimension });
  try {
    const wide = randomNumbers(7);
    const changes = Array.from({ length: 2_000 }, (_, at) =>
      put(`m${at}`, 1, randomVector(wide, dimension), `n${at % 2}`),
    );
    await index.prepare({ token: "large", changes }, within());
    await index.publish(changes, within(), "large");
    const entries = await index.read(changes, { data: true }, within());
    for (const [at, change] of changes.entries()) expect(index.flaw(entries[at] as LiveEntry, change)).toBeNull();
  } finally {
    await close();
  }
});

test("a closed index says so", async () => {
  const { index, close } = await openIndex();
  await Promise.all([index.close(), index.close()]);
  await expect(index.count(within())).rejects.toThrow(ClosedError);
  await expect(index.publish([put("a", 1, vector())], within())).rejects.toThrow(ClosedError);
  expect((await index.health(within())).state).toBe("down");
  await close();
});
