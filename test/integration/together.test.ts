import { ulid } from "ulid";
import { describe, expect, test } from "vitest";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld();

function batch(prefix: string, count: number, content = "first") {
  return Array.from({ length: count }, (_, number) => ({
    ...shared.current.memory(number),
    memoryId: `${prefix}${number}`,
    content,
  }));
}

async function transactions(): Promise<number> {
  const [row] = await shared.current.sql`select count(*)::int as count from mnemosync.sync_transactions`;
  return row?.count;
}

describe("an atomic batch", () => {
  test("is one transaction, whatever the batch size", async () => {
    const outcomes = await shared.current.sync.syncBatch(batch("whole", 250), { atomic: true });
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
    expect(new Set(outcomes.map(({ transactionId }) => transactionId)).size).toBe(1);
  });

  test("writes nothing when one of its memories is refused, and says of each why", async () => {
    const { sync, sql } = shared.current;
    const before = await transactions();
    const outcomes = await sync.syncBatch(
      [...batch("part", 2), { ...shared.current.memory(9), memoryId: "part9", importance: 7 }],
      { atomic: true },
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["failed", "failed", "failed"]);
    expect(outcomes[0]?.error?.message).toMatch(/nothing of the atomic batch was written: part9: importance/);
    expect(outcomes[2]?.error?.message).toMatch(/^importance/);
    expect(await sql`select 1 from mnemosync.memory_versions where memory_id like 'part%'`).toHaveLength(0);
    expect(await transactions()).toBe(before);
  });

  test("refuses the same memory twice", async () => {
    const [one] = batch("twice", 1);
    await expect(shared.current.sync.syncBatch([one!, one!], { atomic: true })).rejects.toThrow(
      /"twice0" stands twice/,
    );
  });
});

describe("an idempotency key", () => {
  test("makes a repeat return the first outcome, also when the memory was written since", async () => {
    const { sync } = shared.current;
    const idempotencyKey = ulid();
    const { memoryId: _, ...memory } = shared.current.memory(1);
    const first = await sync.syncMemory("keyed", { ...memory, content: "first" }, { idempotencyKey });
    await sync.syncMemory("keyed", { ...memory, content: "since" });
    const before = await transactions();
    expect(await sync.syncMemory("keyed", { ...memory, content: "first" }, { idempotencyKey })).toEqual(first);
    expect(await sync.get("keyed")).toMatchObject({ version: 2, content: "since" });
    expect(await transactions()).toBe(before);
  });

  test("of a write that changed nothing is remembered too, and leaves no transaction waiting", async () => {
    const { sync } = shared.current;
    const idempotencyKey = ulid();
    const { memoryId: _, ...memory } = shared.current.memory(1);
    await sync.syncMemory("same", memory);
    expect(await sync.syncMemory("same", memory, { idempotencyKey })).toMatchObject({
      status: "unchanged",
      version: 1,
    });
    await sync.syncMemory("same", { ...memory, content: "since" });
    expect(await sync.syncMemory("same", memory, { idempotencyKey })).toMatchObject({
      status: "unchanged",
      version: 1,
    });
    expect(await sync.get("same")).toMatchObject({ content: "since" });
    expect((await sync.status()).backlog).toEqual({ pending: 0, failed: 0, dead: 0 });
  });

  test("holds for a batch of many transactions, and for repeats that run at the same time", async () => {
    const { sync, sql } = shared.current;
    const idempotencyKey = ulid();
    const inputs = [...batch("many", 230), ...batch("many", 1, "again")];
    const all = await Promise.all([1, 2, 3].map(() => sync.syncBatch(inputs, { idempotencyKey })));
    const versions = inputs.map(({ memoryId }, index) => [memoryId, index === 230 ? 2 : 1]);
    for (const outcomes of all) {
      expect(outcomes.map(({ memoryId, version }) => [memoryId, version])).toEqual(versions);
      // A repeat that comes while the first call is still publishing says that stores are behind, which is true.
      for (const { status } of outcomes) expect(["synced", "degraded"]).toContain(status);
    }
    const later = await sync.syncBatch(inputs, { idempotencyKey });
    expect(later.map(({ memoryId, version, status }) => [memoryId, version, status])).toEqual(
      versions.map((pair) => [...pair, "synced"]),
    );
    const [row] =
      await sql`select max(version)::int as newest from mnemosync.memory_versions where memory_id like 'many%'`;
    expect(row?.newest).toBe(2);
  });

  test("that is no ULID, or was used for another number of memories, is refused", async () => {
    const { sync } = shared.current;
    await expect(sync.syncBatch(batch("odd", 1), { idempotencyKey: "my-key" })).rejects.toThrow(
      /idempotencyKey: "my-key" is not a ULID/,
    );
    const idempotencyKey = ulid();
    await sync.syncBatch(batch("odd", 2), { idempotencyKey });
    const outcomes = await sync.syncBatch(batch("odd", 3), { idempotencyKey });
    expect(outcomes.map(({ error }) => error?.message)).toEqual(
      Array(3).fill("idempotencyKey: was used for 2 memories before, and now for 3: use a new key for a new write"),
    );
  });
});
