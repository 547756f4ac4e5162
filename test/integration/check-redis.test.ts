import { describe, expect, test } from "vitest";
import { type CheckScope, checksumOf, entryDigest, type Finding } from "../../src/index.ts";
import { openWorld, sharedWorld, type World } from "../support/world.ts";

/** Goal: every kind of drift in Redis is found by its name, with evidence, and repaired; nothing else is. */

const shared = sharedWorld({ faiss: false });

/** What is done to Redis behind the synchronizer's back, and what a check has to call it. */
interface Drift {
  readonly kind: Finding["kind"];
  readonly what: string;
  /** The weakest scope that can see it. */
  readonly scope: CheckScope;
  readonly expectedVersion: number | null;
  readonly foundVersion: number | null;
  inject(world: World, memoryId: string): Promise<unknown>;
}

const hash = (world: World, memoryId: string) => world.redisKey(memoryId);
const forged = '{"content":"forged","importance":0.5,"memoryType":"episodic","metadata":{},"privacy":"full"}';

const DRIFTS: Drift[] = [
  {
    kind: "missing",
    what: "a key is deleted",
    scope: "full",
    expectedVersion: 2,
    foundVersion: null,
    inject: (world, id) => world.redis.del(hash(world, id)),
  },
  {
    kind: "missing",
    what: "a tombstone of the same version stands in its place",
    scope: "full",
    expectedVersion: 2,
    foundVersion: 2,
    inject: async (world, id) => {
      await world.redis.del(hash(world, id));
      await world.redis.hset(hash(world, id), { version: 2, deleted: 1, modified_at: 1 });
    },
  },
  {
    kind: "stale",
    what: "an older version stands there",
    scope: "full",
    expectedVersion: 2,
    foundVersion: 1,
    inject: (world, id) => world.redis.hset(hash(world, id), "version", 1),
  },
  {
    kind: "ahead",
    // A read does not show it: the digest does not fit the version.
    what: "a version stands there that nobody wrote",
    scope: "full",
    expectedVersion: 2,
    foundVersion: 9,
    inject: (world, id) => world.redis.hset(hash(world, id), "version", 9),
  },
  {
    kind: "diverged",
    what: "other data stand there under the same version, with a checksum of their own",
    scope: "full",
    expectedVersion: 2,
    foundVersion: 2,
    inject: async (world, id) => {
      await world.redis.hdel(hash(world, id), "embedding");
      await world.redis.hset(hash(world, id), { data: forged, checksum: checksumOf(forged, null) });
    },
  },
  {
    kind: "corrupt",
    what: "the data were edited",
    scope: "deep",
    expectedVersion: 2,
    foundVersion: 2,
    inject: (world, id) => world.redis.hset(hash(world, id), "data", forged),
  },
  {
    kind: "corrupt",
    what: "one bit of the vector was flipped",
    scope: "deep",
    expectedVersion: 2,
    foundVersion: 2,
    inject: async (world, id) => {
      const bytes = await world.redis.hgetBuffer(hash(world, id), "embedding");
      bytes![5]! ^= 0x10;
      await world.redis.hset(hash(world, id), "embedding", bytes!);
    },
  },
  {
    kind: "corrupt",
    what: "the digest was changed",
    scope: "deep",
    expectedVersion: 2,
    foundVersion: 2,
    inject: (world, id) => world.redis.hset(hash(world, id), "digest", "0123456789abcdef"),
  },
  {
    kind: "corrupt",
    what: "the vector is gone",
    scope: "deep",
    expectedVersion: 2,
    foundVersion: 2,
    inject: (world, id) => world.redis.hdel(hash(world, id), "embedding"),
  },
  {
    kind: "corrupt",
    what: "the data are gone",
    scope: "deep",
    expectedVersion: 2,
    foundVersion: 2,
    inject: (world, id) => world.redis.hdel(hash(world, id), "data"),
  },
  {
    kind: "corrupt",
    what: "a list stands where a hash belongs",
    scope: "full",
    expectedVersion: 2,
    foundVersion: null,
    inject: async (world, id) => {
      await world.redis.del(hash(world, id));
      await world.redis.lpush(hash(world, id), "x");
    },
  },
  {
    kind: "corrupt",
    what: "the version is no number",
    scope: "full",
    expectedVersion: 2,
    foundVersion: null,
    inject: (world, id) => world.redis.hset(hash(world, id), "version", "two"),
  },
  {
    kind: "resurrected",
    what: "a deleted memory is shown again",
    scope: "full",
    expectedVersion: 3,
    foundVersion: 2,
    inject: async (world, id) => {
      const key = hash(world, id);
      const before = await world.redis.hgetallBuffer(key);
      await world.sync.delete(id);
      await world.redis.del(key);
      await world.redis.hset(key, before);
    },
  },
];

describe("drift in Redis", () => {
  test.each(DRIFTS)("$kind: $what", async ({ kind, scope, expectedVersion, foundVersion, inject }) => {
    const world = shared.current;
    const memoryId = `m${10_000 + Math.floor(Math.random() * 1e9)}`;
    const input = { ...world.memory(1), memoryId };
    await world.put({ ...input, content: "first" });
    await world.put(input);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    await inject(world, memoryId);

    if (scope === "deep") expect(await world.sync.checkConsistency({ scope: "full" })).toMatchObject({ clean: true });
    const full = await world.sync.checkConsistency({ scope });
    const report = await world.sync.checkConsistency({ scope: "deep" });
    const finding = { namespace: "default", memoryId, store: "redis", expectedVersion, foundVersion };
    expect(report.findings).toEqual([{ ...finding, kind, evidence: expect.stringMatching(/\S/) }]);
    // A full check cannot tell whether the data or the checksum was changed.
    expect(full.findings).toMatchObject([{ ...finding, kind }]);
    expect(report).toMatchObject({ clean: false, scope: "deep", byMemory: { [memoryId]: ["redis"] } });

    // What was found is never shown.
    const shown = await world.sync.get(memoryId);
    if (kind !== "stale" && kind !== "ahead" && kind !== "diverged" && kind !== "resurrected" && foundVersion !== 2)
      expect(shown).toMatchObject({ version: 2, content: input.content, source: "postgres" });

    const repair = await world.sync.repairInconsistencies(report);
    expect(repair).toMatchObject({ repaired: 1, failed: 0, deferred: 0, results: { [memoryId]: true } });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, byMemory: {} });
    const after = await world.sync.get(memoryId);
    if (kind === "resurrected") expect(after).toBeNull();
    else expect(after).toMatchObject({ version: 2, content: input.content, source: "redis" });
    const [kept] = await world.sql`
      select store, kind, state, ledger_version::int, found_version::int, resolution from mnemosync.conflict_resolutions
      where memory_id = ${memoryId}`;
    expect(kept).toMatchObject({
      store: "redis",
      kind,
      state: "resolved",
      ledger_version: expectedVersion,
      found_version: foundVersion,
    });
    await world.sync.delete(memoryId);
  });

  test("a key with a NUL, which is none of this program's, hides no drift of other entries", async () => {
    const world = shared.current;
    const { checksum } = await world.put({ ...world.memory(2), memoryId: "beside-a-nul" });
    await world.untilMarked();
    const foreign = world.redisKey("with\0a-nul");
    await world.redis.hset(foreign, { version: 1, checksum: checksum ?? "" });
    await world.redis.hset(world.redisKey("beside-a-nul"), "checksum", "0".repeat(64));
    const { findings } = await world.sync.checkConsistency();
    expect(findings).toMatchObject([{ memoryId: "beside-a-nul", store: "redis", kind: "diverged" }]);
    await world.redis.del(foreign, world.redisKey("beside-a-nul"));
    await world.sync.repairInconsistencies(await world.sync.checkConsistency());
  });

  test("orphan: well-formed, malformed, and under a key that names no namespace", async () => {
    const world = shared.current;
    const { checksum } = await world.put({ ...world.memory(1), memoryId: "model-entry" });
    await world.untilMarked();
    await world.redis.copy(world.redisKey("model-entry"), world.redisKey("never-written"));
    const own = entryDigest({ namespace: "default", memoryId: "never-written" }, 1, checksum ?? "");
    await world.redis.hset(world.redisKey("never-written"), "digest", own);
    await world.redis.set(world.redisKey("no-hash"), "x");
    await world.redis.hset(`${world.prefix}:memory:stray`, "version", "1");
    await world.redis.hset(world.redisKey("buried"), { version: 4, deleted: 1 }); // Shows nothing: no drift.
    const report = await world.sync.checkConsistency();
    expect(report.findings.toSorted((a, b) => a.memoryId.localeCompare(b.memoryId))).toMatchObject([
      { namespace: "default", memoryId: "never-written", kind: "orphan", expectedVersion: null, foundVersion: 1 },
      { namespace: "default", memoryId: "no-hash", kind: "orphan", expectedVersion: null, foundVersion: null },
      { namespace: "", memoryId: "stray", kind: "orphan", expectedVersion: null, foundVersion: null },
    ]);
    const repair = await world.sync.repairInconsistencies(report);
    expect(repair.results).toEqual({ "never-written": true, "no-hash": true, stray: true });
    // What is a memory as a whole is taken into the ledger, and what is none is kept as evidence and removed.
    expect(await world.redis.exists(world.redisKey("no-hash"), `${world.prefix}:memory:stray`)).toBe(0);
    expect(await world.sync.get("never-written")).toMatchObject({ content: world.memory(1).content, version: 1 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    const [kept] = await world.sql`
      select found_checksum, found_document, found_embedding, ledger_document from mnemosync.conflict_resolutions
      where memory_id = 'never-written'`;
    expect(checksumOf(kept?.found_document, kept?.found_embedding)).toBe(checksum);
    expect(kept).toMatchObject({ found_checksum: checksum, ledger_document: null });
    const [raw] =
      await world.sql`select found_document from mnemosync.conflict_resolutions where memory_id = 'no-hash'`;
    expect(raw?.found_document).toBeInstanceOf(Buffer);
  });
});

test("many findings of all kinds come out exactly, by memory, and one repair ends them", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(1_200);
  await world.redis.del(world.memories(50).map(({ memoryId }) => world.redisKey(memoryId)));
  for (const { memoryId } of world.memories(10, 100)) await world.redis.hset(world.redisKey(memoryId), "data", forged);
  await world.redis.copy(world.redisKey("m500"), world.redisKey("made-up"));
  const progress: number[] = [];
  const report = await world.sync.checkConsistency({
    scope: "deep",
    onProgress: ({ checked }) => progress.push(checked),
  });
  expect(report).toMatchObject({ clean: false, checked: 1_200 });
  expect(report.findings).toHaveLength(61);
  expect(progress.at(-1)).toBe(1_200);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  const kinds = (kind: string) =>
    report.findings.filter((finding) => finding.kind === kind).map(({ memoryId }) => memoryId);
  expect(kinds("missing").sort()).toEqual(
    world
      .memories(50)
      .map(({ memoryId }) => memoryId)
      .sort(),
  );
  expect(kinds("corrupt").sort()).toEqual(
    world
      .memories(10, 100)
      .map(({ memoryId }) => memoryId)
      .sort(),
  );
  expect(kinds("orphan")).toEqual(["made-up"]);
  expect(Object.keys(report.byMemory)).toHaveLength(61);
  expect(Object.values(report.byMemory).every((stores) => stores.length === 1 && stores[0] === "redis")).toBe(true);
  const repaired: number[] = [];
  const repair = await world.sync.repairInconsistencies(report, { onProgress: ({ done }) => repaired.push(done) });
  expect(repair).toMatchObject({ repaired: 61, failed: 0, deferred: 0 });
  expect(repaired.at(-1)).toBe(61);
  // The copy of another memory's hash was removed, not taken for a memory of its own.
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 1_200 });
});

test("a repair leaves alone what changed since the check", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(3);
  await world.redis.del(world.redisKey("m0"), world.redisKey("m1"), world.redisKey("m2"));
  const report = await world.sync.checkConsistency();
  await world.put(world.memory(1, { content: "second" }));
  await world.untilMarked();
  await world.redis.hset(world.redisKey("m2"), { version: 7, checksum: "x" });
  const repair = await world.sync.repairInconsistencies(report);
  expect(repair).toMatchObject({ repaired: 2, deferred: 1, failed: 0, results: { m0: true, m1: true, m2: false } });
  expect(repair.details.find(({ memoryId }) => memoryId === "m1")?.note).toBe("agrees by now");
  expect(await world.sync.get("m1")).toMatchObject({ version: 2, content: "second" });
  expect(await world.redis.hget(world.redisKey("m2"), "version")).toBe("7");
  const again = await world.sync.checkConsistency();
  expect(again.findings).toMatchObject([{ memoryId: "m2", kind: "ahead" }]);
});

test("a busy, healthy system yields no finding", async (t) => {
  const world = await openWorld(t);
  await world.fill(200);
  const abort = new AbortController();
  const writing = (async () => {
    for (let turn = 0; !abort.signal.aborted; turn++) {
      await Promise.all(
        Array.from({ length: 40 }, (_, offset) => {
          const number = (turn * 37 + offset) % 260;
          if (offset % 9 === 0) return world.sync.delete(`m${number}`);
          return world.put(world.memory(number, { content: `turn ${turn}` }));
        }),
      );
    }
  })();
  try {
    for (const scope of ["full", "deep", "full", "deep", "full", "deep"] as const) {
      expect((await world.sync.checkConsistency({ scope })).findings).toEqual([]);
    }
  } finally {
    abort.abort();
    await writing;
  }
});
