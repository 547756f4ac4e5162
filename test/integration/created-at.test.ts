import { beforeAll, describe, expect, test } from "vitest";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import type { ListedMemory, ListOrder, MemorySynchronizer } from "../../src/index.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { feedShown } from "../support/feed-shown.ts";
import { openService } from "../support/http-service.ts";
import { unitVector } from "../support/memories.ts";
import { plansOf } from "../support/plans.ts";
import { sharedWorld } from "../support/world.ts";

const ORDERS = ["createdAt", "modifiedAt"] as const;
const shared = sharedWorld({ settings: { indexes: { orders: [...ORDERS] } } });

const idsOf = (memories: readonly ListedMemory[]) => memories.map(({ memoryId }) => memoryId);

async function write(sync: MemorySynchronizer, namespace: string, ...ids: string[]) {
  for (const memoryId of ids) await sync.syncMemory(memoryId, { namespace, content: memoryId, memoryType: "t" });
}

async function pages(
  sync: MemorySynchronizer,
  namespace: string,
  orderBy: ListOrder,
  limit: number,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const { memoryId } of sync.listAll({ namespace, orderBy, limit })) seen.push(memoryId);
  return seen;
}

describe("createdAt", () => {
  test("is kept over the versions of a memory, and begun anew after its end", async () => {
    const { sync } = shared.current;
    const created = async () => (await sync.list({ namespace: "kept" })).memories[0]?.createdAt ?? 0;
    await write(sync, "kept", "m");
    const first = await created();
    expect(Math.abs(first - Date.now())).toBeLessThan(60_000);
    await sync.patch("m", { content: "changed" }, { namespace: "kept" });
    const [changed] = (await sync.list({ namespace: "kept" })).memories;
    expect(changed).toMatchObject({ version: 2, createdAt: first });
    expect(changed?.modifiedAt).toBeGreaterThan(first);
    await sync.delete("m", { namespace: "kept" });
    await write(sync, "kept", "m");
    expect(await created()).toBeGreaterThan(changed?.modifiedAt ?? 0);
  });

  test("stands in what get, getMany and searches answer, where it is asked for", async () => {
    const { sync, sql } = shared.current;
    const vector = unitVector(1, shared.current.dimension);
    const written = { memoryType: "t", embedding: vector, namespace: "asked" };
    for (const content of ["first", "second"]) await sync.syncMemory("asked", { ...written, content });
    const [row] = await sql<{ created: number }[]>`
      select round(date_part('epoch', created_at) * 1000) as created from mnemosync.memory_versions where memory_id = 'asked'`;
    const options = { namespace: "asked", createdAt: true };
    expect(await sync.get("asked", options)).toMatchObject({ version: 2, content: "second", createdAt: row?.created });
    const many = await sync.getMany(["none", "asked"], options);
    expect(many.map((memory) => memory?.createdAt)).toEqual([undefined, row?.created]);
    const [found] = await sync.search(vector, options);
    expect(found?.memory).toMatchObject({ memoryId: "asked", createdAt: row?.created });
    expect((await sync.list({ namespace: "asked" })).memories).toMatchObject([{ createdAt: row?.created }]);
    expect(await sync.get("none", options)).toBeNull();
    expect(await sync.get("asked", { namespace: "asked" })).not.toHaveProperty("createdAt");
  });

  test("is a field of filters in lists, counts, searches and changes", async () => {
    const { sync } = shared.current;
    const namespace = "filtered";
    for (const number of [1, 2, 3]) {
      const fields = { namespace, content: `${number}`, memoryType: "t", embedding: unitVector(number, 8) };
      await sync.syncMemory(`m${number}`, fields);
    }
    await sync.patch("m1", { importance: 1 }, { namespace });
    const [, second] = (await sync.list({ namespace })).memories;
    const where = { createdAt: { gte: second?.createdAt ?? 0 } };
    expect(idsOf((await sync.list({ namespace, where })).memories)).toEqual(["m2", "m3"]);
    expect(await sync.count({ namespace, where })).toEqual({ count: 2, estimate: false });
    const found = async (more: object) =>
      (await sync.search(unitVector(1, 8), { namespace, where: { ...where, ...more } })).map(
        ({ memory }) => memory.memoryId,
      );
    expect((await found({})).sort()).toEqual(["m2", "m3"]);
    expect((await found({ memoryId: { in: ["m1", "m3"] } })).sort()).toEqual(["m3"]);
    await feedShown(shared.current);
    const { events } = await sync.readChanges({ namespaces: [namespace], where });
    expect(events.map(({ memoryId }) => memoryId)).toEqual(["m2", "m3"]);
  });
});

describe.each(ORDERS)("a list by %s", (field) => {
  test("comes in both directions, page by page, also where times are equal to the microsecond", async () => {
    const { sync, sql } = shared.current;
    const namespace = `equal-${field}`;
    const ids = Array.from({ length: 25 }, (_, number) => `m${String(number).padStart(2, "0")}`);
    await sync.syncBatch(ids.map((memoryId) => ({ namespace, memoryId, content: "c", memoryType: "t" })));
    // Five times, a microsecond apart, five memories each.
    const time =
      "'2026-01-01T00:00:00.000001Z'::timestamptz + (substr(memory_id, 2)::int % 5) * interval '1 microsecond'";
    await sql.unsafe(
      `update mnemosync.memory_versions set created_at = ${time}, modified_at = ${time} where namespace = '${namespace}'`,
    );
    const expected = [0, 1, 2, 3, 4].flatMap((rest) => ids.filter((_, number) => number % 5 === rest));
    for (const limit of [1, 3, 7, 25]) {
      expect(await pages(sync, namespace, field, limit)).toEqual(expected);
      expect(await pages(sync, namespace, `${field} desc`, limit)).toEqual(expected.toReversed());
    }
    const { cursor } = await sync.list({ namespace, orderBy: field, limit: 1 });
    await expect(sync.list({ namespace, orderBy: `${field} desc`, cursor: cursor ?? "" })).rejects.toThrow(
      "belongs to another list",
    );
  });
});

test("pages neither skip nor repeat what stays in place while others write", async () => {
  const { sync } = shared.current;
  const namespace = "busy";
  const stay = Array.from({ length: 120 }, (_, number) => `stay-${String(number).padStart(3, "0")}`);
  await sync.syncBatch(stay.map((memoryId) => ({ namespace, memoryId, content: "c", memoryType: "t" })));
  await write(sync, namespace, "moves-1", "moves-2");
  let stop = false;
  const writer = (async () => {
    while (!stop) {
      await write(sync, namespace, "moves-1", "moves-2");
      await sync.delete("moves-2", { namespace });
    }
  })();
  try {
    for (const orderBy of ["createdAt", "createdAt desc", "modifiedAt", "modifiedAt desc"] as const) {
      const seen = (await pages(sync, namespace, orderBy, 13)).filter((id) => id.startsWith("stay"));
      expect(seen.toSorted()).toEqual(stay);
    }
  } finally {
    stop = true;
    await writer;
  }
});

test("over HTTP a list has createdAt, and its orders", async (t) => {
  const service = await openService(t, { world: { faiss: false, settings: { indexes: { orders: ["createdAt"] } } } });
  await write(service.world.sync, "default", "b", "a");
  const page = (query: string) => service.request("GET", `/v1/namespaces/default/memories?orderBy=${query}`);
  const { memories } = (await page("createdAt%20desc")).json<{ memories: { memoryId: string; createdAt: string }[] }>();
  expect(memories.map(({ memoryId }) => memoryId)).toEqual(["a", "b"]);
  expect(Date.parse(memories[0]?.createdAt ?? "")).toBeGreaterThan(Date.parse(memories[1]?.createdAt ?? ""));
  const one = async (query: string) =>
    (await service.request("GET", `/v1/namespaces/default/memories/a${query}`)).json<{ createdAt?: string }>()
      .createdAt;
  expect(await one("?createdAt=true")).toBe(memories[0]?.createdAt);
  expect(await one("")).toBeUndefined();
  const refused = await page("modifiedAt");
  expect(refused.statusCode).toBe(422);
  expect(refused.body).toContain("set indexes.orders to modifiedAt");
});

describe("in a ledger of many memories", () => {
  const large = sharedWorld({ faiss: false, redis: false, settings: { indexes: { orders: [...ORDERS] } } });
  beforeAll(async () => {
    await large.current.sql.unsafe("alter table mnemosync.memory_versions set (autovacuum_enabled = false)");
    await large.current.sql`
      insert into mnemosync.memory_versions
        (namespace, memory_id, version, checksum, digest, bucket, version_vector, created_at, modified_at, tx_id,
         has_embedding, store_versions)
      select case when n % 20 = 0 then 'small' else 'big' end, 'm' || n, 1, repeat('0', 64), n, n % 65536, '{"n": 1}',
             clock_timestamp() - n * interval '1 second', clock_timestamp(), 'x', false, '{}'
      from generate_series(1, 20000) n`;
  });

  test.each(["without statistics", "with statistics"])("no page by time reads a whole table, %s", async (name) => {
    if (name === "with statistics") await large.current.sql`analyze mnemosync.memory_versions`;
    const plans = await plansOf(large.current, async (ledger) => {
      for (const namespace of ["big", "small", "none"]) {
        for (const sortField of ORDERS) {
          for (const after of [null, { memoryId: "m500", sort: "2026-01-01T00:00:00.000000Z" }]) {
            for (const isDescending of [false, true]) {
              const page = { limit: 100, bytesMax: 1_000_000, readsFirst: true, withEmbedding: false };
              const scan = { namespace, condition: parseFilter({}), after, rowsMax: 500, sortField, isDescending };
              await ledger.readPageStep({ ...page, ...scan }, NEVER);
            }
          }
        }
      }
    });
    expect(plans).toHaveLength(3 * 2 * 2 * 2);
    for (const plan of plans) {
      expect(plan).not.toMatch(/Seq Scan on memor|Bitmap/);
      expect(plan).toMatch(
        /CTE scanned\n +-> +Limit.*\n +-> +Index Scan (Backward )?using memory_versions_\w+_order_index/,
      );
    }
  });
});
