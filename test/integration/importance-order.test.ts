import { beforeAll, describe, expect, test } from "vitest";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import { type ListedMemory, type ListOrder, MemorySynchronizer } from "../../src/index.ts";
import type { ScanPlace } from "../../src/ledger/find-statements.ts";
import { Finder } from "../../src/read/finder.ts";
import { decodeListCursor, type ListScope } from "../../src/read/list-cursor.ts";
import { NEVER } from "../../src/runtime/shared-deadline.ts";
import { openService } from "../support/http-service.ts";
import { openFindLedger, plansOf } from "../support/plans.ts";
import { openWorld, sharedWorld } from "../support/world.ts";

/** Goal: a list by importance shows each memory once, by its current version, however many versions its index has. */

const shared = sharedWorld({
  faiss: false,
  settings: { indexes: { orders: ["importance"] }, historyVersionsMax: 100 },
});
const ORDERS = ["importance", "importance desc"] as const;

const numbered = (count: number) => Array.from({ length: count }, (_, at) => `m${String(at).padStart(3, "0")}`);

async function listed(
  sync: MemorySynchronizer,
  namespace: string,
  orderBy: ListOrder,
  limit: number,
): Promise<ListedMemory[]> {
  const seen: ListedMemory[] = [];
  for await (const memory of sync.listAll({ namespace, orderBy, limit })) seen.push(memory);
  return seen;
}

const idsOf = (memories: readonly ListedMemory[]) => memories.map(({ memoryId }) => memoryId);

test("comes in both directions, page by page, also where importances are equal", async () => {
  const { sync } = shared.current;
  const namespace = "equal";
  const values = [0, 1e-7, 0.1, 0.30000000000000004, 1];
  const ids = numbered(25);
  const write = (content: string) =>
    sync.syncBatch(
      ids.map((memoryId, at) => ({
        ...{ namespace, memoryId, content, memoryType: "t" },
        importance: values[at % 5] as number,
      })),
    );
  await write("first");
  await write("second");
  const expected = values.flatMap((_, rest) => ids.filter((__, at) => at % 5 === rest));
  for (const limit of [1, 3, 7, 25, 100]) {
    const up = await listed(sync, namespace, "importance", limit);
    expect(idsOf(up)).toEqual(expected);
    expect(idsOf(await listed(sync, namespace, "importance desc", limit))).toEqual(expected.toReversed());
    expect(new Set(up.map(({ content, version }) => `${content} ${version}`))).toEqual(new Set(["second 2"]));
  }
});

test("shows what is current: not what was more important once, is deleted, or does not pass the filter", async () => {
  const { sync } = shared.current;
  const namespace = "current";
  const put = (memoryId: string, importance: number, memoryType = "t") =>
    sync.syncMemory(memoryId, { namespace, content: `${importance}`, memoryType, importance });
  await put("fell", 0.9);
  await put("fell", 0.1);
  await put("rose", 0.2);
  await put("rose", 0.8);
  await put("gone", 1);
  await sync.delete("gone", { namespace });
  await put("other", 0.5, "u");
  for (const limit of [1, 10]) {
    expect(idsOf(await listed(sync, namespace, "importance desc", limit))).toEqual(["rose", "other", "fell"]);
  }
  const { memories } = await sync.list({ namespace, orderBy: "importance desc", where: { memoryType: { eq: "t" } } });
  expect(memories.map(({ memoryId, importance }) => [memoryId, importance])).toEqual([
    ["rose", 0.8],
    ["fell", 0.1],
  ]);
  const least = { importance: { gte: 0.3 } };
  expect(idsOf((await sync.list({ namespace, orderBy: "importance", where: least })).memories)).toEqual([
    "other",
    "rose",
  ]);
});

test("a page of many memories with a long history is full, by few steps", async () => {
  const { sync, databaseUrl } = shared.current;
  const namespace = "history";
  const ids = numbered(40);
  for (let round = 0; round < 12; round++) {
    await sync.syncBatch(
      ids.map((memoryId) => ({ namespace, memoryId, content: `${round}`, memoryType: "t", importance: 0.5 })),
    );
  }
  expect(idsOf((await sync.list({ namespace, orderBy: "importance", limit: 30 })).memories)).toEqual(ids.slice(0, 30));
  const { ledger, close } = openFindLedger(databaseUrl);
  try {
    let steps = 0;
    const counting = Object.assign(Object.create(ledger) as typeof ledger, {
      readPageStep: (...call: Parameters<typeof ledger.readPageStep>) => {
        steps++;
        return ledger.readPageStep(...call);
      },
    });
    const scope: ListScope = { namespace, condition: parseFilter({}), order: "importance desc" };
    const page = { after: null, limit: 30, withEmbedding: false, timeoutMs: 60_000 };
    const found = await new Finder({ ledger: counting, now: () => performance.now() }).list(scope, page, NEVER);
    expect(idsOf(found.memories)).toEqual(ids.toReversed().slice(0, 30));
    expect(steps).toBeLessThan(8);
  } finally {
    await close();
  }
});

test.each(ORDERS)(
  "%s: a page that ends among replaced versions goes on there, whatever is written meanwhile",
  async (order) => {
    const { sync, databaseUrl } = shared.current;
    const namespace = order.replace(" ", "-");
    const ids = ["a", "b", "c"];
    const write = (memoryId: string) =>
      sync.syncMemory(memoryId, { namespace, content: `${Math.random()}`, memoryType: "t", importance: 0.5 });
    for (let round = 0; round < 7; round++) for (const id of ids) await write(id);
    const { ledger, close } = openFindLedger(databaseUrl);
    try {
      let now = 0;
      const finder = new Finder({ ledger, now: () => (now += 1_000_000) }); // Each page ends after its first step.
      const scope: ListScope = { namespace, condition: parseFilter({}), order };
      const seen: string[] = [];
      const withinVersions: ScanPlace[] = [];
      let after: ScanPlace | null = null;
      for (let pages = 0; pages < 100; pages++) {
        const options = { after, limit: 2, withEmbedding: false, timeoutMs: 1_000 };
        const { memories, cursor } = await finder.list(scope, options, NEVER);
        seen.push(...idsOf(memories));
        if (cursor === null) break;
        after = decodeListCursor(cursor, scope);
        if (after.version !== undefined) withinVersions.push(after);
        for (const id of ids) await write(id);
      }
      expect(seen).toEqual(order === "importance" ? ids : ids.toReversed());
      expect(withinVersions.length).toBeGreaterThan(2);
    } finally {
      await close();
    }
  },
);

test("pages neither skip nor repeat what stays in place while others write", async () => {
  const { sync } = shared.current;
  const namespace = "busy";
  const stay = numbered(60);
  const write = (memoryId: string, importance: number) =>
    sync.syncMemory(memoryId, { namespace, content: `${Math.random()}`, memoryType: "t", importance });
  const placeOf = (id: string) => (Number(id.slice(1)) % 4) / 4;
  for (const id of stay) await write(id, placeOf(id));
  let stop = false;
  const writers = [0, 1].map(async (writer) => {
    for (let round = writer; !stop; round += 2) {
      const id = stay[round % stay.length] as string;
      await write(id, placeOf(id)); // Anew, in its place.
      await write(`moves-${writer}`, (round % 10) / 10);
    }
  });
  try {
    for (let round = 0; round < 3; round++) {
      for (const orderBy of ORDERS) {
        const seen = idsOf(await listed(sync, namespace, orderBy, 7)).filter((id) => id.startsWith("m0"));
        const expected = stay.toSorted((a, b) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1));
        expect(seen).toEqual(orderBy === "importance" ? expected : expected.toReversed());
      }
    }
  } finally {
    stop = true;
    await Promise.all(writers);
  }
});

test("over HTTP; without its index it is refused, with the setting that makes one", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const refused = await service.request("GET", "/v1/namespaces/default/memories?orderBy=importance");
  expect(refused.statusCode).toBe(422);
  expect(refused.body).toContain("set indexes.orders to importance");
  const { sync } = shared.current;
  const { cursor } = await sync.list({ namespace: "equal", orderBy: "importance", limit: 1 });
  await expect(sync.list({ namespace: "equal", orderBy: "importance desc", cursor: cursor ?? "" })).rejects.toThrow(
    "belongs to another list",
  );
});

test("waits for the memories from before migration 19, which the index does not have", async (t) => {
  const world = await openWorld(t, {
    faiss: false,
    redis: false,
    settings: { indexes: { orders: ["importance"] } },
  });
  await world.sql`insert into mnemosync.unmoved_documents (namespace, memory_id, document)
    values ('default', 'old', '{"importance":0.5}')`;
  await expect(world.sync.list({ orderBy: "importance" })).rejects.toThrow(/has to wait.*move_bodies/);
  await world.sql`delete from mnemosync.unmoved_documents`;
  expect(await world.sync.list({ orderBy: "importance" })).toEqual({ memories: [], cursor: null });
});

test("a document that was damaged by hand keeps no index from being built, and its place leads on", async (t) => {
  const world = await openWorld(t, { faiss: false, redis: false });
  const put = (memoryId: string) => world.sync.syncMemory(memoryId, { content: "c", memoryType: "t", importance: 0.5 });
  for (const id of ["a", "b", "c"]) await put(id);
  await world.sql`update mnemosync.memory_bodies set document = '{"content":"c","importance":"high"}' where memory_id = 'b'`;
  const other = await MemorySynchronizer.connect({ ...world.connectOptions, indexes: { orders: ["importance"] } });
  t.onTestFinished(() => other.close());
  expect(idsOf(await listed(other, "default", "importance", 1))).toEqual(["b", "a", "c"]);
});

describe("in a ledger of many memories", () => {
  const large = sharedWorld({ faiss: false, redis: false, settings: { indexes: { orders: ["importance"] } } });
  beforeAll(async () => {
    const { sql } = large.current;
    for (const table of ["memory_versions", "memory_bodies"])
      await sql.unsafe(`alter table mnemosync.${table} set (autovacuum_enabled = false)`);
    const place = sql`case when n % 20 = 0 then 'small' else 'big' end, 'm' || n`;
    await sql`
      insert into mnemosync.memory_versions
        (namespace, memory_id, version, checksum, digest, bucket, version_vector, created_at, modified_at, tx_id,
         has_embedding, store_versions)
      select ${place}, 2, repeat('0', 64), n, n % 65536, '{"n": 2}', clock_timestamp(), clock_timestamp(), 'x', false, '{}'
      from generate_series(1, 10000) n`;
    await sql`
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, tx_id, document)
      select ${place}, version, repeat('0', 64), '{"n": 2}', clock_timestamp(), 'x',
             json_build_object('content', 'c', 'importance', (n % 100) / 100.0, 'memoryType', 't', 'metadata', json_build_object(),
                               'privacy', 'full')
      from generate_series(1, 10000) n, generate_series(1, 2) version`;
  });

  test.each(["without statistics", "with statistics"])("no page reads a whole table, %s", async (name) => {
    if (name === "with statistics") await large.current.sql`analyze mnemosync.memory_versions, mnemosync.memory_bodies`;
    const conditions = [{}, { memoryType: { eq: "t" } }].map((where) => parseFilter(where));
    const plans = await plansOf(large.current, async (ledger) => {
      for (const namespace of ["big", "small", "none"]) {
        for (const condition of conditions) {
          for (const after of [
            null,
            { memoryId: "m500", sort: "0.5" },
            { memoryId: "m500", sort: "0.5", version: 1 },
          ]) {
            for (const isDescending of [false, true]) {
              const page = { limit: 100, bytesMax: 1_000_000, readsFirst: true, withEmbedding: false };
              const scan = {
                namespace,
                condition,
                after,
                rowsMax: 500,
                sortField: "importance",
                isDescending,
              } as const;
              await ledger.readPageStep({ ...page, ...scan }, NEVER);
            }
          }
        }
      }
    });
    expect(plans).toHaveLength(3 * 2 * 3 * 2);
    for (const plan of plans) {
      expect(plan).not.toMatch(/Seq Scan on memor|Bitmap/);
      expect(plan).toMatch(/Limit.*\n +-> +Index Scan (Backward )?using memory_bodies_importance_order_index/);
    }
  });

  test("a list leads through all of them, in order", async () => {
    const all = await listed(large.current.sync, "small", "importance", 100);
    expect(all).toHaveLength(500);
    expect(all.map(({ importance }) => importance)).toEqual(
      all.map(({ importance }) => importance).toSorted((a, b) => a - b),
    );
  });
});
