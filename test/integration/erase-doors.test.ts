import { expect, test, vi } from "vitest";
import type { ExportRecord, SyncOutcome } from "../../src/index.ts";
import { feedShown } from "../support/feed-shown.ts";
import { sharedWorld } from "../support/world.ts";

/** Goal: an erased id comes back through no door until it is revived, and what is refused is not kept anywhere either. */

vi.setConfig({ testTimeout: 240_000 });

const world = sharedWorld({ ownRedis: true });
const ERASED = { code: "ERASED" };

async function erased(memoryId: string, versions = 1): Promise<void> {
  for (let version = 1; version <= versions; version++) {
    await world.current.put(world.current.memory(version, { memoryId, content: `${memoryId} said ${version}` }));
  }
  expect(await world.current.sync.erase(memoryId)).toMatchObject({ state: "complete", erased: 1 });
}

function refused(outcome: SyncOutcome | undefined): unknown {
  return [outcome?.status, outcome?.version, outcome?.error?.code];
}

test("put, patch, rollback and a repeat under an idempotency key are refused; a delete changes nothing", async () => {
  const { sync } = world.current;
  const { memoryId: _, ...fields } = world.current.memory(1);
  await sync.syncMemory("single", fields, { idempotencyKey: "put-single" });
  await sync.syncMemory("single", { ...fields, content: "again" });
  const [transaction] = await world.current.sql<{ tx_id: string }[]>`
    select tx_id from mnemosync.memory_versions where memory_id = 'single'`;
  await sync.erase("single");
  await expect(sync.syncMemory("single", fields)).rejects.toMatchObject({
    ...ERASED,
    message:
      'memory "single" of default was erased, and its id is suppressed: write under another id, or revive this one first',
  });
  await expect(sync.syncMemory("single", fields, { expectedVersion: 0 })).rejects.toMatchObject(ERASED);
  await expect(sync.syncMemory("single", fields, { idempotencyKey: "put-single" })).rejects.toMatchObject(ERASED);
  await expect(sync.patch("single", { importance: 1 })).rejects.toMatchObject(ERASED);
  await expect(sync.rollback("single", 1)).rejects.toMatchObject(ERASED);
  await expect(sync.rollbackTransaction(transaction!.tx_id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await sync.delete("single")).toMatchObject({ status: "unchanged" });
  expect(await sync.get("single")).toBeNull();
});

test("a batch writes its other memories, and an atomic one none", async () => {
  const { sync } = world.current;
  await erased("inBatch");
  const batch = [world.current.memory(20), world.current.memory(21, { memoryId: "inBatch" })];
  const [written, refusal] = await sync.syncBatch(batch);
  expect(written?.status).toBe("synced");
  expect(refused(refusal)).toEqual(["failed", 0, "ERASED"]);
  const changed = [world.current.memory(20, { content: "changed" }), batch[1]!];
  const atomic = await sync.syncBatch(changed, { atomic: true });
  expect(atomic.map(refused)).toEqual(Array(2).fill(["failed", 0, "ERASED"]));
  expect(await sync.get("m20")).toMatchObject({ version: 1 });
});

test("an import rejects it, whatever its policy, and records no conflict", async () => {
  const { sync, sql } = world.current;
  await world.current.put(world.current.memory(30, { memoryId: "imported" }));
  const records: ExportRecord[] = [];
  for await (const record of sync.exportMemories()) {
    if (!("memoryId" in record) || record.memoryId === "imported") records.push(record);
  }
  await sync.erase("imported");
  for (const options of [
    {},
    { onConflict: "overwrite" as const },
    { onConflict: "strategy" as const, strategy: "latest_wins" },
    { onConflict: "strategy" as const, strategy: "manual" },
  ]) {
    const report = await sync.importMemories(records, options);
    expect(report).toMatchObject({ synced: 0, rejected: 1, errors: [expect.objectContaining(ERASED)] });
  }
  expect(await sql`select from mnemosync.conflict_resolutions where memory_id = 'imported'`).toHaveLength(0);
});

test("an import adds no history to it, even where it brings its deletion", async () => {
  const { sync, sql } = world.current;
  await world.current.put(world.current.memory(35, { memoryId: "withHistory" }));
  await world.current.put(world.current.memory(36, { memoryId: "withHistory" }));
  await sync.delete("withHistory");
  const records: ExportRecord[] = [];
  for await (const record of sync.exportMemories({ history: true })) {
    if (!("memoryId" in record) || record.memoryId === "withHistory") records.push(record);
  }
  expect(records.filter((record) => "memoryId" in record).map(({ type }) => type)).toEqual([
    "memory",
    "history",
    "history",
  ]);
  await sync.erase("withHistory");
  const report = await sync.importMemories(records);
  expect(report).toMatchObject({
    unchanged: 1,
    rejected: 2,
    historyVersions: 0,
    errors: [ERASED, ERASED].map((error) => expect.objectContaining(error)),
  });
  expect(
    await sql`select from mnemosync.memory_history where memory_id = 'withHistory' and document is not null`,
  ).toHaveLength(0);
});

test("a repair removes it from a store at any version, by any strategy, and keeps no copy", async () => {
  const { sync, sql, redis } = world.current;
  const redisKey = (memoryId: string): string => world.current.redisKey(memoryId);
  for (const [memoryId, strategy] of [
    ["older", "latest_wins"],
    ["ahead", "latest_wins"],
    ["asked", "manual"],
  ] as const) {
    await world.current.put(world.current.memory(40, { memoryId }));
    await world.current.untilMarked();
    const copy = await redis.hgetallBuffer(redisKey(memoryId));
    await sync.erase(memoryId);
    await redis.del(redisKey(memoryId));
    const entries = Object.entries(copy).flatMap(([field, value]) => [
      field,
      field === "version" && memoryId !== "older" ? "99" : value,
    ]);
    await redis.hset(redisKey(memoryId), ...(entries as [string, Buffer]));
    const report = await sync.checkConsistency({ scope: "full" });
    expect(report.findings.map((finding) => finding.memoryId)).toEqual([memoryId]);
    expect(await sync.repairInconsistencies(report, { strategy })).toMatchObject({
      repaired: 1,
      failed: 0,
      deferred: 0,
    });
    expect(await redis.hexists(redisKey(memoryId), "data")).toBe(0);
    expect(await sync.get(memoryId)).toBeNull();
    await expect(sync.patch(memoryId, { importance: 1 })).rejects.toMatchObject(ERASED);
    const kept = await sql`
      select from mnemosync.conflict_resolutions where memory_id = ${memoryId}
        and num_nonnulls(found_document, found_embedding, found_checksum, ledger_document, ledger_embedding) > 0`;
    expect(kept).toHaveLength(0);
  }
  expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("a conflict that awaited a decision when its memory was erased can't be decided any more", async () => {
  const { sync, redis } = world.current;
  await world.current.put(world.current.memory(50, { memoryId: "undecided" }));
  await world.current.untilMarked();
  await redis.hset(world.current.redisKey("undecided"), "version", "7");
  const report = await sync.checkConsistency({ scope: "full" });
  await sync.repairInconsistencies(report, { strategy: "manual" });
  const [pending] = await sync.conflicts.list({ memoryId: "undecided" });
  await sync.erase("undecided");
  expect(await sync.conflicts.list({ memoryId: "undecided", state: "pending" } as never)).toEqual([]);
  await expect(
    sync.conflicts.resolve(pending!.id, { action: "choose", store: "redis" } as never),
  ).rejects.toBeDefined();
  expect(await sync.get("undecided")).toBeNull();
});

test("followers are told why a memory ended", async () => {
  const { sync } = world.current;
  await feedShown(world.current); // Of the tests before this one.
  const { cursor } = await sync.readChanges({ from: "now" });
  for (const memoryId of ["ended", "erasedNow"]) await world.current.put(world.current.memory(55, { memoryId }));
  await sync.delete("ended");
  await sync.erase("erasedNow");
  await sync.erase("ended"); // The stronger ending is a version of its own.
  await feedShown(world.current);
  const told: unknown[] = [];
  for await (const event of sync.changes({ cursor, follow: false })) {
    if (event.kind !== "put") told.push([event.memoryId, event.kind, event.reason, event.version]);
  }
  expect(told).toEqual([
    ["erasedNow", "deleted", "erased", 2],
    ["ended", "deleted", "erased", 3],
  ]);
});

test("a receipt stays as it was when its memory is erased again, and when it is revived", async () => {
  const { sync } = world.current;
  await world.current.put(world.current.memory(1, { memoryId: "twice" }));
  const first = await sync.erase("twice");
  expect(first).toMatchObject({ state: "complete", memories: 1, erased: 1 });
  await sync.erase("twice");
  expect(await sync.erasures.get(first.id)).toEqual(first);
  await sync.revive("twice");
  expect(await sync.erasures.get(first.id)).toEqual(first);
});

test("an id that the ledger never knew is suppressed too", async () => {
  const { sync } = world.current;
  expect(await sync.erase("unknown")).toMatchObject({ state: "complete", memories: 1, erased: 1 });
  const { memoryId: _, ...fields } = world.current.memory(60);
  await expect(sync.syncMemory("unknown", fields)).rejects.toMatchObject(ERASED);
});

test("a revived id is written again, at a version above all earlier ones, and may be erased again", async () => {
  const { sync, sql } = world.current;
  await erased("phoenix", 2);
  await expect(sync.revive("never-erased")).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await sync.revive("phoenix")).toMatchObject({ version: 4, status: "synced" });
  expect(await sql`select from mnemosync.suppressed where memory_id = 'phoenix'`).toHaveLength(0);
  const { memoryId: _, ...fields } = world.current.memory(70);
  expect(await sync.syncMemory("phoenix", fields)).toMatchObject({ version: 5, status: "synced" });
  expect(await sync.get("phoenix")).toMatchObject({ version: 5 });
  await expect(sync.revive("phoenix")).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await sync.erase("phoenix")).toMatchObject({ state: "complete", erased: 1 });
  expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("erase by a filter, and of a namespace, covers what a preview says, and what is wrong is refused by name", async () => {
  const { sync } = world.current;
  const namespace = "many";
  const memories = world.current.memories(30, 100).map((memory, index) => ({
    ...memory,
    namespace,
    memoryType: index % 3 === 0 ? "secret" : "plain",
  }));
  await sync.syncBatch(memories);
  await sync.delete("m101", { namespace });
  const target = { where: { memoryType: { eq: "secret" } } } as const;
  const preview = await sync.erasures.preview(target, { namespace });
  expect(preview).toMatchObject({ kind: "filter", namespace, memories: 10 });
  const receipt = await sync.erase(target, { namespace });
  expect(receipt).toMatchObject({ kind: "filter", state: "complete", memories: 10, erased: 10 });
  expect(await sync.count({ namespace })).toMatchObject({ count: 19 });
  const [row] = await world.current.sql`select filter from mnemosync.erasures where id = ${receipt.id}`;
  expect(row).toEqual({ filter: null });
  // Of a memory that the ledger never took, only a conflict is kept.
  await world.current.sql`
    insert into mnemosync.conflict_resolutions (namespace, memory_id, store, kind, strategy, state, pending_because, found_document)
    values (${namespace}, 'neverTaken', 'import', 'diverged', 'manual', 'pending', 'undecided', ${Buffer.from("content")})`;
  const rest = await sync.erasures.previewNamespace(namespace);
  expect(rest).toMatchObject({ kind: "namespace", memories: 21 }); // With the deleted one, whose history is kept.
  expect(await sync.eraseNamespace(namespace)).toMatchObject({ memories: 21, state: "complete" });
  expect(await sync.conflicts.list({ namespace, state: "pending" } as never)).toEqual([]);
  expect(await sync.history("m101", { namespace })).toMatchObject([{ document: null }]);
  expect(await sync.erasures.previewNamespace(namespace)).toMatchObject({ memories: 0 });
  const [newest, older] = await sync.erasures.list({ namespaces: [namespace] });
  expect([newest?.kind, older?.id]).toEqual(["namespace", receipt.id]);
  for (const [where, path] of [
    [{}, "where"],
    [{ importance: { like: "1" } }, "where.importance"],
  ] as const) {
    await expect(sync.erase({ where } as never)).rejects.toMatchObject({
      code: "VALIDATION",
      path: expect.stringContaining(path),
    });
  }
  await expect(sync.eraseNamespace(undefined as never)).rejects.toMatchObject({ code: "VALIDATION" });
  await expect(sync.erase("x", { reason: "r".repeat(1_001) })).rejects.toMatchObject({
    code: "VALIDATION",
    path: "reason",
  });
});

test("a namespace has at most 100 erasures that are not through, so that one tenant does not take the jobs of all", async () => {
  await world.current.sql`
    insert into mnemosync.erasures (id, kind, namespace, memory_id, node_id)
    select lpad(n::text, 26, '0'), 'memory', 'flooded', 'm' || n, 'elsewhere' from generate_series(1, 100) n`;
  const flooded = world.current.sync.erase("m101", { namespace: "flooded", wait: false });
  await expect(flooded).rejects.toMatchObject({ code: "QUEUE_FULL", message: expect.stringMatching(/100 erasures/) });
  const [row] = await world.current
    .sql`select count(*)::int as kept from mnemosync.erasures where namespace = 'flooded'`;
  expect(row).toEqual({ kept: 100 });
  await world.current.sql`delete from mnemosync.erasures where namespace = 'flooded'`;
  expect(await world.current.sync.erase("m101", { namespace: "flooded" })).toMatchObject({ erased: 1 });
});
