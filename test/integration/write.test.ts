import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { checksumOf, VersionConflictError } from "../../src/index.ts";
import { Reader } from "../../src/read/reader.ts";
import { parsePrometheusText, sampleValue } from "../support/prometheus-text.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld();

/** Names nobody else in this file uses. */
let used = 1_000;
const fresh = () => shared.current.memory(used++);

describe("writing one memory", () => {
  test("puts version 1 into all three stores and says so", async () => {
    const world = shared.current;
    const input = fresh();
    const outcome = await world.put(input);
    expect(outcome).toEqual({
      namespace: "default",
      memoryId: input.memoryId,
      version: 1,
      checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
      status: "synced",
      stores: { postgres: "applied", redis: "applied", faiss: "applied" },
      transactionId: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
    });
    const stateOf = async () => {
      const [transaction] = await world.sql`
        select state from mnemosync.sync_transactions where tx_id = ${outcome.transactionId}`;
      return transaction?.state;
    };
    await expect.poll(stateOf).toBe("published");
    const [row] = await world.sql`
      select v.version::int, v.checksum, m.document::text as document, m.embedding
      from mnemosync.memory_versions v
      join mnemosync.memories m using (namespace, memory_id)
      where v.memory_id = ${input.memoryId}`;
    const hash = await world.redis.hgetallBuffer(world.redisKey(input.memoryId));
    expect(row).toMatchObject({ version: 1, checksum: outcome.checksum });
    expect(hash.version?.toString()).toBe("1");
    expect(hash.checksum?.toString()).toBe(outcome.checksum);
    expect(hash.data?.toString()).toBe(row?.document);
    expect(hash.embedding).toEqual(row?.embedding);
    expect(checksumOf(hash.data!, hash.embedding!)).toBe(outcome.checksum);
    const [hit] = await world.sync.search(input.embedding!, { k: 1 });
    expect(hit?.memory).toMatchObject({ memoryId: input.memoryId, version: 1, checksum: outcome.checksum });
  });

  test("reads back equal, from Redis and from Postgres alike", async () => {
    const world = shared.current;
    const input = { ...fresh(), privacy: "redacted" as const, embeddingModel: "model-a", importance: 0.1 };
    const { version, checksum } = await world.put(input);
    const { embedding, ...fields } = input;
    const cached = await world.sync.get(input.memoryId);
    expect(cached).toMatchObject({ ...fields, namespace: "default", version, checksum, source: "redis" });
    expect(cached?.embedding).toEqual(embedding);
    expect(cached?.versionVector).toEqual({ [world.sync.nodeId]: 1 });
    await world.redis.del(world.redisKey(input.memoryId));
    const stored = await world.sync.get(input.memoryId);
    expect(stored).toEqual({ ...cached, source: "postgres" });
    expect(Math.abs(Date.now() - stored!.modifiedAt)).toBeLessThan(60_000);
  });

  test("counts versions up through updates, a delete and another put", async () => {
    const world = shared.current;
    const input = fresh();
    const versions = [
      await world.put(input),
      await world.put({ ...input, content: "changed" }),
      await world.sync.delete(input.memoryId),
      await world.put(input),
    ];
    expect(versions.map(({ version, status }) => [version, status])).toEqual([
      [1, "synced"],
      [2, "synced"],
      [3, "synced"],
      [4, "synced"],
    ]);
    expect(versions[3]?.checksum).toBe(versions[0]?.checksum);
    expect(await world.sync.get(input.memoryId)).toMatchObject({ version: 4, content: input.content, source: "redis" });
    const history = await world.sql`
      select version::int, deleted_at is not null as deleted, checksum from mnemosync.memory_history
      where memory_id = ${input.memoryId} order by version`;
    expect(history.map((row) => ({ ...row }))).toEqual([
      { version: 1, deleted: false, checksum: versions[0]?.checksum },
      { version: 2, deleted: false, checksum: versions[1]?.checksum },
      { version: 3, deleted: true, checksum: null },
    ]);
  });

  test("leaves no document anywhere after a delete, and remembers the version", async () => {
    const world = shared.current;
    const input = fresh();
    await world.put(input);
    const outcome = await world.sync.delete(input.memoryId);
    expect(outcome).toMatchObject({
      version: 2,
      checksum: null,
      status: "synced",
      stores: { postgres: "applied", redis: "applied", faiss: "applied" },
    });
    expect(await world.sync.get(input.memoryId)).toBeNull();
    expect(await world.redis.hgetall(world.redisKey(input.memoryId))).toEqual({
      version: "2",
      deleted: "1",
      modified_at: expect.stringMatching(/^\d+$/),
    });
    expect(await world.redis.pttl(world.redisKey(input.memoryId))).toBeGreaterThan(80_000_000);
    expect(await world.sql`select 1 from mnemosync.memories where memory_id = ${input.memoryId}`).toHaveLength(0);
    const hits = await world.sync.search(input.embedding!, { k: 1_000 });
    expect(hits.map(({ memory }) => memory.memoryId)).not.toContain(input.memoryId);
  });

  test("answers unchanged to the same memory, however it is spelled, and writes nothing", async () => {
    const world = shared.current;
    const input = { ...fresh(), metadata: { b: 1, a: { d: 100, c: 0 } } };
    const first = await world.put(input);
    const rowVersions = async () =>
      await world.sql`
        select v.xmax::text, v.ctid::text, v.tx_id, m.ctid::text as document, m.xid::text, t.tx_count
        from mnemosync.memory_versions v join mnemosync.memory_bodies m using (namespace, memory_id),
             (select count(*)::int as tx_count from mnemosync.sync_transactions) t
        where v.memory_id = ${input.memoryId}`;
    const before = { rows: await rowVersions(), footprint: await world.footprint() };
    const respelled = { ...input, metadata: { a: { c: -0, d: 1e2 }, b: 1.0 } };
    expect(await world.put(respelled)).toEqual({
      ...first,
      status: "unchanged",
      stores: { postgres: "unchanged", redis: "unchanged", faiss: "unchanged" },
      transactionId: null,
    });
    const after = { rows: await rowVersions(), footprint: await world.footprint() };
    // A lock leaves its mark in xmax, so what may differ is that and nothing else: the row itself stayed in its place.
    const withoutXmax = (rows: readonly object[]) => rows.map((row) => ({ ...row, xmax: null }));
    expect(withoutXmax(after.rows)).toEqual(withoutXmax(before.rows));
    expect(after.footprint).toEqual(before.footprint);
  });

  test("answers unchanged to the delete of what is not there", async () => {
    const world = shared.current;
    const before = await world.footprint();
    expect(await world.sync.delete("never-there")).toMatchObject({
      version: 0,
      status: "unchanged",
      checksum: null,
      transactionId: null,
    });
    expect(await world.footprint()).toEqual(before);
  });

  test("has nothing to do with the index when there is no embedding, until there is one, and after it went", async () => {
    const world = shared.current;
    const { embedding, ...input } = fresh();
    const none = await world.put(input);
    expect(none).toMatchObject({ status: "synced", stores: { faiss: "not_applicable" } });
    const given = await world.put({ ...input, embedding: embedding! });
    expect(given).toMatchObject({ version: 2, status: "synced", stores: { faiss: "applied" } });
    const ids = async () => (await world.sync.search(embedding!, { k: 1_000 })).map(({ memory }) => memory.memoryId);
    expect(await ids()).toContain(input.memoryId);
    const gone = await world.put(input);
    expect(gone).toMatchObject({ version: 3, status: "synced", stores: { faiss: "not_applicable" } });
    expect([none, given, gone].map(({ embeddingDropped }) => embeddingDropped)).toEqual([undefined, undefined, true]);
    const later = await world.put({ ...input, content: "another text" });
    expect(later).toMatchObject({ version: 4, stores: { faiss: "not_applicable" } });
    expect(later.embeddingDropped).toBeUndefined();
    expect(await ids()).not.toContain(input.memoryId);
    expect((await world.sync.get(input.memoryId))?.embedding).toBeNull();
  });

  test("keeps the same id in two namespaces apart", async () => {
    const world = shared.current;
    const input = fresh();
    await world.put({ ...input, namespace: "tenant-a", content: "of a" });
    await world.put({ ...input, namespace: "tenant-b", content: "of b" });
    await world.sync.delete(input.memoryId, { namespace: "tenant-b" });
    expect(await world.sync.get(input.memoryId, { namespace: "tenant-a" })).toMatchObject({ content: "of a" });
    expect(await world.sync.get(input.memoryId, { namespace: "tenant-b" })).toBeNull();
    expect(await world.sync.get(input.memoryId)).toBeNull();
  });
});

/** The error of a write that must be refused for its version. */
async function conflictOf(write: Promise<unknown>): Promise<VersionConflictError> {
  const error = await write.then(
    (outcome) => expect.fail(`it resolved with ${JSON.stringify(outcome)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(VersionConflictError);
  return error as VersionConflictError;
}

describe("an expected version", () => {
  test("lets a write through that knows the current one, for puts and deletes", async () => {
    const world = shared.current;
    const input = fresh();
    expect(await world.put(input, { expectedVersion: 0 })).toMatchObject({ version: 1, status: "synced" });
    const second = { ...input, content: "second" };
    expect(await world.put(second, { expectedVersion: 1 })).toMatchObject({ version: 2, status: "synced" });
    const deleted = await world.sync.delete(input.memoryId, { expectedVersion: 2 });
    expect(deleted).toMatchObject({ version: 3, status: "synced" });
    expect(await world.put(input, { expectedVersion: 0 })).toMatchObject({ version: 4, status: "synced" });
  });

  test("makes every other write throw, with both versions and the current memory, and nothing is written", async () => {
    const world = shared.current;
    const input = fresh();
    const { checksum } = await world.put(input);
    const before = await world.footprint();
    for (const expectedVersion of [0, 2]) {
      for (const write of [
        () => world.put({ ...input, content: "other" }, { expectedVersion }),
        () => world.sync.delete(input.memoryId, { expectedVersion }),
        () => world.sync.rollback(input.memoryId, 1, { expectedVersion }),
      ]) {
        const error = await conflictOf(write());
        expect(error).toMatchObject({ code: "VERSION_CONFLICT", retryable: false, expectedVersion, foundVersion: 1 });
        expect(error.message).toContain(`is at version 1, not ${expectedVersion}`);
        expect(error.current).toMatchObject({ version: 1, checksum, content: input.content, source: "postgres" });
      }
    }
    expect(await world.footprint()).toEqual(before);
  });

  test("is thrown with no current memory where there is none, and one that expired", async () => {
    const world = shared.current;
    const { sync } = world;
    const input = fresh();
    const none = await conflictOf(world.put(input, { expectedVersion: 3 }));
    expect(none).toMatchObject({ foundVersion: 0, current: null });
    await world.put(input);
    await sync.delete(input.memoryId);
    const deleted = await conflictOf(sync.delete(input.memoryId, { expectedVersion: 1 }));
    expect(deleted).toMatchObject({ foundVersion: 2, current: null });
    const expired = fresh();
    await world.put({ ...expired, expiresAt: new Date(Date.now() - 1_000) });
    expect(await conflictOf(world.put(expired, { expectedVersion: 9 }))).toMatchObject({ current: null });
  });

  test("is thrown again for the repeat of a write under its idempotency key", async () => {
    const world = shared.current;
    const input = fresh();
    await world.put(input);
    const write = () =>
      world.put({ ...input, content: "x" }, { expectedVersion: 5, idempotencyKey: "01ARZ3NDEKTSV4RRFFQ69G5FB0" });
    expect(await conflictOf(write())).toMatchObject({ expectedVersion: 5, foundVersion: 1 });
    expect(await conflictOf(write())).toMatchObject({ expectedVersion: 5, foundVersion: 1 });
  });

  test("is no place for a memory's content to get into a log", async () => {
    const world = shared.current;
    const input = { ...fresh(), content: "only for its owner" };
    await world.put(input);
    const error = await conflictOf(world.put(input, { expectedVersion: 2 }));
    expect(error.current?.content).toBe("only for its owner");
    expect(inspect(error)).not.toContain("only for its owner");
    expect(JSON.stringify(error)).not.toContain("only for its owner");
  });

  test("that cannot be read is not reported as another failure", async (t) => {
    const world = shared.current;
    const input = fresh();
    await world.put(input);
    const read = vi.spyOn(Reader.prototype, "getCommitted").mockRejectedValueOnce(new Error("away"));
    t.onTestFinished(() => read.mockRestore());
    const error = await conflictOf(world.put({ ...input, content: "x" }, { expectedVersion: 2 }));
    expect(error).toMatchObject({ foundVersion: 1, current: undefined, cause: { message: "away" } });
  });

  test("that does not hold is counted as a conflict, once", async () => {
    const world = shared.current;
    const input = fresh();
    await world.put(input);
    const count = async (outcome: string) =>
      sampleValue(parsePrometheusText(await world.sync.metrics.text()), "mnemosync_sync_total", {
        operation: "sync_memory",
        outcome,
      });
    const before = { conflict: await count("conflict"), failed: await count("failed") };
    await conflictOf(world.put(input, { expectedVersion: 2 }));
    expect(await count("conflict")).toBe((before.conflict ?? 0) + 1);
    expect(await count("failed")).toBe(before.failed);
  });
});
