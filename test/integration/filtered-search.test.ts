import { describe, expect, test } from "vitest";
import { passes } from "../../src/domain/filter/evaluate.ts";
import { type Filter, parseFilter } from "../../src/domain/filter/filter.ts";
import { FindLedger } from "../../src/ledger/find-ledger.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { unitVector } from "../support/memories.ts";
import { plansOf } from "../support/plans.ts";
import { openWorld, sharedWorld } from "../support/world.ts";

const INDEX = "memory_bodies_fields_index";
const COUNT = 1_200;
const namespace = "many";
const shared = sharedWorld({ settings: { indexes: { fields: true } } });

const memoryOf = (number: number) => ({
  ...shared.current.memory(number),
  namespace,
  memoryType: number % 100 === 7 ? "rare" : "common",
  metadata: { number, user: { id: number % 60, "a.b": number % 2 === 0 }, tags: [`t${number % 30}`, "all"] },
});

let isFilled = false;
async function fill() {
  if (isFilled) return;
  isFilled = true;
  const { sync } = shared.current;
  await sync.syncBatch(Array.from({ length: COUNT }, (_, number) => memoryOf(number)));
  await sync.syncBatch([{ ...memoryOf(7), namespace: "other" }]);
}

describe("a search with a filter", () => {
  test("finds the nearest k of those that pass, whether the filter goes first or after", async () => {
    await fill();
    const { sync } = shared.current;
    const everyone = await sync.search(unitVector(5_000, 8), { namespace, k: 1_000 });
    const filters: Filter[] = [
      { memoryType: { eq: "rare" } },
      { "metadata.user.id": { eq: 7 } },
      { "metadata.tags": { contains: "t3" }, "metadata.user.id": { gte: 30 } },
      { 'metadata.user["a.b"]': { eq: true }, memoryType: { eq: "rare" } },
      { "metadata.user.id": { eq: 7 }, and: [{ "metadata.user.id": { eq: 8 } }] },
      { memoryType: { eq: "rare" }, not: { "metadata.number": { eq: 7 } } },
      { or: [{ memoryType: { eq: "rare" } }, { "metadata.user.id": { eq: 1 } }] },
      { memoryId: { in: ["m7", "m3", "none", "m3"] } },
      { memoryId: { eq: "m5" } },
      { memoryId: { prefix: "m119" } },
      { memoryId: { prefix: "m" }, "metadata.tags": { contains: "all" } },
      { privacy: { eq: "full" } },
      { embeddingModel: { eq: "none" } },
    ];
    for (const where of filters) {
      const condition = parseFilter(where);
      const expected = everyone.filter(({ memory }) => passes(condition, memory)).slice(0, 10);
      const found = await sync.search(unitVector(5_000, 8), { namespace, k: 10, where });
      const nearer = found.filter(({ memory }) => everyone.some((one) => one.memory.memoryId === memory.memoryId));
      expect(found.every(({ memory }) => passes(condition, memory) && memory.namespace === namespace)).toBe(true);
      expect(nearer.map(({ memory }) => memory.memoryId)).toEqual(expected.map(({ memory }) => memory.memoryId));
      nearer.forEach(({ score }, at) => {
        expect(score).toBeCloseTo(expected[at]?.score ?? 0, 5);
      });
    }
  });

  test("goes first where an index leads to few memories, and only there", async () => {
    await fill();
    const { sync, sql } = shared.current;
    await sql`analyze mnemosync.memory_versions, mnemosync.memory_bodies`;
    const selected = async (where: Filter, hasFieldIndex = true) => {
      const [rows] = await selectedOf({ namespace, condition: parseFilter(where), hasFieldIndex });
      return rows?.length ?? null;
    };
    expect(await selected({ memoryType: { eq: "rare" } })).toBe(12);
    expect(await selected({ memoryType: { eq: "rare" }, "metadata.number": { lt: 200 } })).toBe(2);
    expect(await selected({ memoryType: { eq: "rare" } }, false)).toBeNull();
    expect(await selected({ "metadata.number": { lt: 2 } })).toBeNull(); // No index of it.
    expect(await selected({ memoryId: { prefix: "m11" } }, false)).toBe(111);
    expect(await selected({})).toBeNull();
    await sync.syncBatch([{ ...memoryOf(207), memoryType: "common" }]); // Its replaced version stands in the index.
    await sync.delete("m107", { namespace });
    expect(await selected({ memoryType: { eq: "rare" } })).toBe(10);
    // What is not moved to the bodies yet is not in their index.
    await sql`insert into mnemosync.unmoved_documents (namespace, memory_id, document) values ('x', 'x', '{}')`;
    expect(await selected({ memoryType: { eq: "rare" } })).toBeNull();
    await sql`delete from mnemosync.unmoved_documents`;
  });

  test("a filter that many pass goes after: no more than a bounded number of rows is looked at", async (t) => {
    const world = await openWorld(t, { faiss: false, redis: false, settings: { indexes: { fields: true } } });
    await world.sql`
      insert into mnemosync.memory_versions
        (namespace, memory_id, version, checksum, digest, bucket, version_vector, modified_at, tx_id, has_embedding, store_versions)
      select 'big', 'm' || n, 1, repeat('0', 64), n, n % 65536, '{"n": 1}', clock_timestamp(), 'x', true, '{}'
      from generate_series(1, 6000) n`;
    await world.sql`
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, tx_id, document, embedding)
      select 'big', 'm' || n, 1, repeat('0', 64), '{"n": 1}', clock_timestamp(), 'x',
             json_build_object('content', 'c', 'importance', 0.5, 'memoryType', 'common', 'privacy', 'full',
                               'metadata', json_build_object('n', n)), '\\x00000000'::bytea
      from generate_series(1, 6000) n`;
    for (const name of ["without statistics", "with statistics"]) {
      if (name === "with statistics") await world.sql`analyze mnemosync.memory_versions, mnemosync.memory_bodies`;
      const many = { memoryType: { eq: "common" } };
      const few = { "metadata.n": { eq: 5 } };
      const answers: (number | null)[] = [];
      const plans = await plansOf(world, async (ledger) => {
        for (const where of [many, few, { memoryId: { prefix: "m59" } }, { memoryId: { in: ["m1", "m2"] } }]) {
          const query = { namespace: "big", condition: parseFilter(where), hasFieldIndex: true };
          answers.push((await ledger.readSelected(query, NEVER))?.length ?? null);
        }
      });
      expect(answers, name).toEqual([null, 1, 111, 2]);
      const reading = plans.filter((plan) => plan.includes("CTE looked"));
      expect(reading).toHaveLength(4);
      for (const plan of reading) expect(plan).not.toMatch(/Seq Scan on memor/);
      for (const plan of reading.slice(0, 2)) expect(plan).toContain(`Bitmap Index Scan on ${INDEX}`);
      expect(reading[2]).toMatch(/Index (Only )?Scan using memory_versions_pkey/);
    }
  });
});

async function selectedOf(query: Parameters<FindLedger["readSelected"]>[0]) {
  const { sql } = shared.current;
  const reserved = await sql.reserve();
  try {
    const access = { use: (_: AbortSignal, call: (connection: object) => unknown) => call({ sql: reserved }) };
    return [await new FindLedger(access as never, 60_000).readSelected(query, NEVER)];
  } finally {
    reserved.release();
  }
}
