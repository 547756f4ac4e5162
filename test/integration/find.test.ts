import { beforeAll, describe, expect, test } from "vitest";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import type { ListedMemory, MemorySynchronizer } from "../../src/index.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { plansOf } from "../support/plans.ts";
import { openWorld, sharedWorld, type World } from "../support/world.ts";

const shared = sharedWorld({ faiss: false });

async function fill(sync: MemorySynchronizer, namespace: string, ids: readonly string[], more: object = {}) {
  const outcomes = await sync.syncBatch(
    ids.map((memoryId, number) => ({
      ...{ namespace, memoryId, content: `memory ${memoryId}`, memoryType: number % 2 === 0 ? "even" : "odd" },
      importance: number / ids.length,
      metadata: { number },
      ...more,
    })),
  );
  expect(outcomes.every(({ status }) => status === "synced")).toBe(true);
}

const numbered = (count: number) => Array.from({ length: count }, (_, number) => `m${String(number).padStart(5, "0")}`);
const idsOf = (memories: readonly ListedMemory[]) => memories.map(({ memoryId }) => memoryId);

describe("getMany", () => {
  test("keeps the order, with null where there is none, whichever store has them", async () => {
    const { sync, redis, prefix } = shared.current;
    await fill(sync, "many", ["a", "b", "c"]);
    await sync.delete("b", { namespace: "many" });
    await redis.del(`${prefix}:memory:many:c`);
    const found = await sync.getMany(["c", "none", "a", "b", "a"], { namespace: "many" });
    expect(found.map((memory) => memory && [memory.memoryId, memory.source])).toEqual([
      ["c", "postgres"],
      null,
      ["a", "redis"],
      null,
      ["a", "redis"],
    ]);
    expect(await sync.getMany([])).toEqual([]);
  });

  test("takes up to 1,000 ids and says so", async () => {
    const { sync } = shared.current;
    await expect(sync.getMany(numbered(1_001))).rejects.toThrow("memoryIds: names 1001 memories, and at most 1000");
    expect(await sync.getMany(numbered(1_000), { namespace: "no-such" })).toHaveLength(1_000);
    await expect(sync.getMany(["a", ""])).rejects.toMatchObject({ code: "VALIDATION", path: "memoryId" });
  });
});

describe("list", () => {
  test("shows what the ledger holds, in both orders, page by page", async () => {
    const { sync } = shared.current;
    const ids = ["B", "a", "b/ü", "é", "\uffff", "🧠", ...numbered(7)];
    await fill(sync, "paged", ids);
    const sorted = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const orderBy of ["memoryId", "memoryId desc"] as const) {
      const seen: string[] = [];
      let cursor: string | undefined;
      let pages = 0;
      do {
        const page = await sync.list({ namespace: "paged", orderBy, limit: 4, cursor });
        seen.push(...idsOf(page.memories));
        cursor = page.cursor ?? undefined;
        pages++;
      } while (cursor !== undefined);
      expect(seen).toEqual(orderBy === "memoryId" ? sorted : sorted.toReversed());
      expect(pages).toBe(4);
    }
    const whole = await sync.list({ namespace: "paged", limit: 13 });
    expect(whole.cursor).toBeNull();
    expect(await sync.list({ namespace: "none" })).toEqual({ memories: [], cursor: null });
  });

  test("a memory is as get has it; its vector comes only where it is asked for", async () => {
    const { sync } = shared.current;
    const embedding = [1, 2, 3, 0.5];
    await sync.syncMemory("v", {
      namespace: "vectors",
      content: "c",
      memoryType: "t",
      embedding,
      metadata: { b: 1, a: [2] },
    });
    await sync.syncMemory("w", { namespace: "vectors", content: "c", memoryType: "t" });
    const { embedding: vector, source: _, ...expected } = (await sync.get("v", { namespace: "vectors" })) ?? {};
    const bare = (await sync.list({ namespace: "vectors" })).memories;
    const { createdAt = 0, ...others } = bare[0] ?? {};
    expect(others).toEqual({ ...expected, source: "postgres", dimension: 4 });
    expect(createdAt).toBe(bare[0]?.modifiedAt);
    expect(bare[1]?.dimension).toBeNull();
    const full = (await sync.list({ namespace: "vectors", embedding: true })).memories;
    expect(full.map((memory) => memory.embedding)).toEqual([vector, null]);
  });

  test("leaves out what is deleted, expired, or does not pass the filter", async () => {
    const { sync, sql } = shared.current;
    await fill(sync, "filtered", numbered(10));
    await sync.delete("m00000", { namespace: "filtered" });
    await sql`update mnemosync.memory_versions set expires_at = clock_timestamp() - interval '1 second'
      where namespace = 'filtered' and memory_id = 'm00002'`;
    expect(idsOf((await sync.list({ namespace: "filtered", where: { memoryType: { eq: "even" } } })).memories)).toEqual(
      ["m00004", "m00006", "m00008"],
    );
    const where = { "metadata.number": { in: [0, 2, 5] }, or: [{ importance: { lt: 1 } }] };
    expect(idsOf((await sync.list({ namespace: "filtered", where })).memories)).toEqual(["m00005"]);
    expect(await sync.count({ namespace: "filtered" })).toEqual({ count: 8, estimate: false });
  });

  test("neither skips nor repeats what stays in place while others write", async () => {
    const { sync } = shared.current;
    const stay = numbered(300);
    await fill(sync, "busy", stay);
    let stop = false;
    let written = 0;
    const writers = [1, 2, 3].map(async (writer) => {
      for (let round = 0; !stop; round++) {
        const id = `m${String((round * 37 + writer) % 300).padStart(5, "0")}`;
        await sync.syncMemory(`${id}-new-${writer}`, { namespace: "busy", content: `${round}`, memoryType: "t" });
        await sync.syncMemory(id, { namespace: "busy", content: `again ${round}`, memoryType: "t" });
        await sync.delete(`${id}-new-${writer}`, { namespace: "busy" });
        written++;
      }
    });
    try {
      for (let round = 0; round < 5; round++) {
        const seen: string[] = [];
        for await (const memory of sync.listAll({ namespace: "busy", limit: 17 })) seen.push(memory.memoryId);
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen.filter((id) => id.length === 6)).toEqual(stay);
      }
    } finally {
      stop = true;
      await Promise.all(writers);
    }
    expect(written).toBeGreaterThan(3);
  });

  test("ends a page by its bytes, and shows a memory that is larger than a page", async (t) => {
    const world = await openWorld(t, { faiss: false, redis: false, settings: { contentBytesMax: 16_777_216 } });
    await fill(world.sync, "large", numbered(4), { content: "x".repeat(3_000_000) });
    await fill(world.sync, "large", ["m00002a"], { content: "x".repeat(10_000_000) });
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await world.sync.list({ namespace: "large", cursor });
      pages.push(idsOf(page.memories));
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    expect(pages).toEqual([["m00000", "m00001"], ["m00002"], ["m00002a"], ["m00003"]]);
  });

  test("works on clients of the caller's own, and leaves no transaction open on them", async (t) => {
    const { sync, sql } = await openWorld(t, { faiss: false, clients: "own" });
    await fill(sync, "own", ["a", "b"]);
    expect(idsOf((await sync.list({ namespace: "own" })).memories)).toEqual(["a", "b"]);
    expect(await sync.count({ namespace: "own" })).toEqual({ count: 2, estimate: false });
    expect((await sync.namespaces()).namespaces).toEqual(["own"]);
    const open = await sql`select query from pg_stat_activity
      where datname = current_database() and state like 'idle in transaction%'`;
    expect([...open]).toEqual([]);
  });

  test("refuses what it does not know by name", async () => {
    const { sync } = shared.current;
    const { cursor } = await sync.list({ namespace: "busy", limit: 1 });
    const refused: [object, string][] = [
      [{ orderBy: "content" }, 'orderBy: "content" is no order of a list: expected one of "memoryId", "memoryId desc"'],
      [{ orderBy: "modifiedAt" }, 'orderBy: "modifiedAt" needs an index, which every write pays for'],
      [{ limit: 1_001 }, "limit: is 1001"],
      [{ where: { created: { gt: 0 } } }, "where.created: is no field of a filter"],
      [{ namespace: "busy", where: { importance: { gt: 0 } }, cursor }, "cursor: belongs to another list"],
      [{ namespace: "paged", cursor }, "cursor: belongs to another list"],
      [{ namespace: "busy", cursor: "x" }, "cursor: is no cursor of a list"],
    ];
    for (const [options, message] of refused) await expect(sync.list(options)).rejects.toThrow(message);
  });
});

/** As many memories as no test could write through the synchronizer in time, and statistics for the planner. */
async function insertMany(world: World, namespace: string, count: number) {
  await world.sql`
    insert into mnemosync.memory_versions
      (namespace, memory_id, version, checksum, digest, bucket, version_vector, created_at, modified_at, tx_id,
       has_embedding, store_versions)
    select ${namespace}, 'm' || lpad(n::text, 8, '0'), 1, repeat('0', 64), n, n % 65536, '{"n": 1}', clock_timestamp(),
           clock_timestamp(), 'x', false, '{}'
    from generate_series(1, ${count}::int) n`;
  await world.sql`
    insert into mnemosync.memory_bodies
      (namespace, memory_id, version, checksum, version_vector, modified_at, tx_id, document)
    select ${namespace}, 'm' || lpad(n::text, 8, '0'), 1, repeat('0', 64), '{"n": 1}', clock_timestamp(), 'x',
           json_build_object('content', 'c', 'importance', 0.5, 'memoryType', case when n = ${count} then 'rare' else 'common' end,
                             'metadata', json_build_object('n', n), 'privacy', 'full')
    from generate_series(1, ${count}::int) n`;
}

describe("in a ledger of many memories", () => {
  const large = sharedWorld({ faiss: false, redis: false });
  beforeAll(async () => {
    // Otherwise the server may look at the statistics in the midst of the tests.
    for (const table of ["memory_versions", "memory_bodies"])
      await large.current.sql.unsafe(`alter table mnemosync.${table} set (autovacuum_enabled = false)`);
    await insertMany(large.current, "big", 30_000);
    await insertMany(large.current, "small", 2_000);
  });

  test.each(["without statistics", "with statistics"])(
    "no page, count or list of namespaces reads a whole table, %s",
    async (name) => {
      if (name === "with statistics")
        await large.current.sql`analyze mnemosync.memory_versions, mnemosync.memory_bodies`;
      const conditions = [
        {},
        { memoryType: { eq: "rare" } },
        { "metadata.n": { gt: 5 } },
        { modifiedAt: { gt: 0 } },
      ].map((where) => parseFilter(where));
      const plans = await plansOf(large.current, async (ledger) => {
        for (const namespace of ["big", "small", "none"]) {
          for (const condition of conditions) {
            for (const after of [null, { memoryId: "m00000500", sort: null }]) {
              const scan = { namespace, condition, after, rowsMax: 500, sortField: null };
              for (const isDescending of [false, true]) {
                const page = { limit: 100, bytesMax: 1_000_000, readsFirst: true, withEmbedding: true };
                await ledger.readPageStep({ ...scan, ...page, isDescending }, NEVER);
              }
              await ledger.countStep(scan, NEVER);
            }
          }
        }
        await ledger.listNamespaces("", 100, NEVER);
        await ledger.listNamespacesOf(["big", "other"], "", 100, NEVER);
      });
      expect(plans).toHaveLength(3 * 4 * 2 * 3 + 2);
      for (const plan of plans) {
        expect(plan).not.toMatch(/Seq Scan on memor|Bitmap/);
        expect(plan).toMatch(/Index (Only )?Scan.* using memory_versions_pkey/);
      }
    },
  );

  test("a filter that few pass ends in short pages, which lead to the memory", async () => {
    const { sync } = large.current;
    const where = { memoryType: { eq: "rare" } };
    const found: string[] = [];
    for await (const { memoryId } of sync.listAll({ namespace: "big", where })) found.push(memoryId);
    expect(found).toEqual(["m00030000"]);
    expect(await sync.count({ namespace: "big", where })).toEqual({ count: 1, estimate: false });
    expect(await sync.count({ namespace: "big" })).toEqual({ count: 30_000, estimate: false });
  });

  test("a count that takes too long names the estimate, which the planner gives", async () => {
    const { sync } = large.current;
    const where = { "metadata.n": { gte: 0 }, memoryType: { ne: "x" } };
    await expect(sync.count({ namespace: "big", where, timeoutMs: 1 })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringContaining("estimate: true"),
    });
    const guess = await sync.count({ namespace: "big", estimate: true });
    expect(guess.estimate).toBe(true);
    expect(guess.count).toBeGreaterThan(15_000);
    expect(guess.count).toBeLessThan(60_000);
    expect((await sync.count({ namespace: "big", where, estimate: true })).count).toBeGreaterThan(0);
    expect((await sync.count({ namespace: "none", estimate: true })).count).toBeLessThan(1_000);
  });

  test("namespaces come in pages, in order, and only those that are asked for", async () => {
    const { sync } = large.current;
    for (const namespace of ["A", "alpha", "zeta", "_x"])
      await sync.syncMemory("m", { namespace, content: "c", memoryType: "t" });
    const all = ["A", "_x", "alpha", "big", "small", "zeta"];
    expect(await sync.namespaces()).toEqual({ namespaces: all, cursor: null });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await sync.namespaces({ limit: 2, cursor });
      seen.push(...page.namespaces);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(all);
    const among = ["zeta", "big", "unknown", "big"];
    expect((await sync.namespaces({ among })).namespaces).toEqual(["big", "zeta"]);
    const first = await sync.namespaces({ among, limit: 1 });
    expect((await sync.namespaces({ among, limit: 1, cursor: first.cursor ?? "" })).namespaces).toEqual(["zeta"]);
    await expect(sync.namespaces({ cursor: "x" })).rejects.toThrow("cursor: is no cursor of namespaces");
  });
});
