import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { changePageSchema, changeSchema } from "../../src/documents/change-documents.ts";
import { followWithCuts } from "../support/cut-reader.ts";
import { openEvents } from "../support/event-service.ts";
import { feedShown } from "../support/feed-shown.ts";
import { changeEpoch } from "../support/feed-world.ts";

/** Goal: a reader over HTTP is told each change that its key may know of, once and in order per memory. */

test("a reader that is cut again and again is told each version once, in order per memory", async (t) => {
  const service = await openEvents(t);
  await followWithCuts(service, { changes: 300, eventsMax: 25, cutsMin: 3, restMs: 120_000 });
});

test("a reader of versions that is cut is told each of them, and its cursor is of no use for the other reading", async (t) => {
  const service = await openEvents(t);
  await followWithCuts(service, { reading: "versions", changes: 200, eventsMax: 40, cutsMin: 2, restMs: 120_000 });
  const page = await service.request("GET", "/v1/namespaces/a/changes?reading=versions&limit=1");
  const other = await service.request("GET", `/v1/namespaces/a/changes?cursor=${page.json().cursor}`);
  expect([other.statusCode, other.json().path]).toEqual([422, "cursor"]);
});

test("a key is told of its own namespaces only, and of no content that privacy withholds", async (t) => {
  const { world, keys, follow } = await openEvents(t);
  const put = (number: number, namespace: string, more = {}) => world.put({ ...world.memory(number, more), namespace });
  await put(1, "tenant-b");
  await put(2, "tenant-a", { privacy: "local_only" });
  await put(3, "tenant-a", { privacy: "redacted", metadata: { secret: 1 } });
  await put(4, "tenant-a");
  const tenant = await follow("", { key: keys.tenant });
  expect(tenant.response.headers.get("content-type")).toBe("text/event-stream");
  const [redacted, whole] = await tenant.take(2);
  expect(redacted).toMatchObject({ event: "put", data: { memoryId: "m3", cursor: redacted?.id } });
  expect(redacted).not.toHaveProperty("data.memory.content");
  expect(JSON.stringify(redacted)).not.toMatch(/secret|"embedding"/);
  expect(whole?.data).toMatchObject({ namespace: "tenant-a", memoryId: "m4", memory: { content: "memory number 4" } });
  for (const { data } of [redacted, whole] as { data: unknown }[]) expect(changeSchema().parse(data)).toEqual(data);
  const all = await follow("?embedding=true");
  const everything = await all.take(3);
  expect(everything.map(({ data }) => `${data.namespace}/${data.memoryId}`).sort()).toEqual(
    ["tenant-a/m3", "tenant-a/m4", "tenant-b/m1"].sort(),
  );
  expect(everything.find(({ data }) => data.memoryId === "m4")?.data.memory.embedding).toHaveLength(8);
  const foreign = await follow("?namespace=tenant-a&namespace=tenant-b", { key: keys.tenant });
  expect(foreign.response.status).toBe(403);
  const others = await follow("", { key: keys.tenant, lastEventId: everything.at(-1)?.id ?? "" });
  expect(others.response.status).toBe(422);
  // Now only what comes; and what becomes private is withdrawn.
  const fresh = await follow("?from=now", { key: keys.tenant });
  await put(5, "tenant-b");
  await put(4, "tenant-a", { privacy: "local_only", content: "for us" });
  expect(await fresh.take(1)).toMatchObject([{ event: "withdrawn", data: { memoryId: "m4", version: 2 } }]);
});

test("another history of the database is told to open streams, and refused to those that come back", async (t) => {
  const service = await openEvents(t);
  await service.world.put(service.world.memory(1));
  const reader = await service.follow();
  const [first] = await reader.take(1);
  await changeEpoch(service.world.sql);
  await service.world.put(service.world.memory(2));
  expect(await reader.next()).toMatchObject({ event: "closed", data: { status: 410, code: "EPOCH_CHANGED" } });
  expect(await reader.next()).toBeNull();
  expect((await service.follow("", { lastEventId: first?.id ?? "" })).response.status).toBe(410);
  expect((await (await service.follow()).take(2)).map(({ data }) => data.memoryId)).toEqual(["m1", "m2"]);
});

test("a filter of memories holds for streams and pages; a cursor is of no use with another one", async (t) => {
  const service = await openEvents(t);
  const { world } = service;
  const where = encodeURIComponent(JSON.stringify({ "metadata.team": { eq: "red" } }));
  const put = (number: number, team: string) => world.put(world.memory(number, { metadata: { team } }));
  await put(1, "red");
  await put(2, "blue");
  const reader = await service.follow(`?where=${where}`);
  const [first] = await reader.take(1);
  await put(1, "blue");
  expect(first).toMatchObject({ event: "put", data: { memoryId: "m1" } });
  expect(await reader.take(1)).toMatchObject([{ event: "withdrawn", data: { memoryId: "m1", version: 2 } }]);
  const lastEventId = first?.id ?? "";
  expect((await service.follow("", { lastEventId })).response.status).toBe(422);
  const page = await service.request("GET", `/v1/namespaces/default/changes?where=${where}`);
  expect(page.json().changes).toMatchObject([{ kind: "withdrawn", memoryId: "m1" }]);
  for (const [flawed, status, path] of [
    ["nonsense", 400, "where"],
    ['{"nothing":{"eq":1}}', 422, "where.nothing"],
  ] as const) {
    const refused = await service.request("GET", `/v1/events?where=${encodeURIComponent(flawed)}`);
    expect([refused.statusCode, refused.json().detail]).toEqual([status, expect.stringContaining(path)]);
  }
});

test("pages come at once, or with the first change; their cursors go on without a gap", async (t) => {
  const service = await openEvents(t);
  const { world } = service;
  await world.sync.syncBatch([world.memory(0), world.memory(1), world.memory(2)]);
  await feedShown(world);
  const page = async (query: string) => {
    const response = await service.request("GET", `/v1/namespaces/default/changes${query}`, {
      key: service.keys.reader,
    });
    return changePageSchema().parse(response.json());
  };
  const first = await page("?limit=2");
  expect([first.changes.map(({ memoryId }) => memoryId), first.complete]).toEqual([["m0", "m1"], false]);
  const second = await page(`?limit=2&cursor=${first.cursor}`);
  expect([second.changes.map(({ memoryId }) => memoryId), second.complete]).toEqual([["m2"], true]);
  const open = async () =>
    /^mnemosync_event_streams_open (\d+)$/m.exec((await service.request("GET", "/metrics")).body)?.[1];
  expect(await open()).toBe("0");
  const waiting = page(`?waitMs=30000&cursor=${second.cursor}`);
  await pollUntil("the reader to wait", 30_000, () => service.service.streams.open === 1);
  expect(await open()).toBe("1");
  await world.sync.delete("m0");
  expect((await waiting).changes).toMatchObject([{ kind: "deleted", memoryId: "m0", version: 2 }]);
  await feedShown(world);
  expect((await page(`?waitMs=20&from=now`)).changes).toEqual([]);
});
