import { ulid } from "ulid";
import { describe, expect, onTestFinished, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { EmbeddingError } from "../../src/index.ts";
import { openWorld, sharedWorld } from "../support/world.ts";

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
      /"twice0" occurs twice/,
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

  test("that is no text of 1 to 128 characters is refused, and so is such a name of a caller", async () => {
    const { sync } = shared.current;
    const refusals: [{ idempotencyKey: string; caller?: string }, RegExp][] = [
      [{ idempotencyKey: "" }, /idempotencyKey: is 0 characters long, and must have 1 to 128/],
      [{ idempotencyKey: "k".repeat(129) }, /idempotencyKey: is 129 characters long/],
      [{ idempotencyKey: "a\u0000b" }, /idempotencyKey: contains a NUL character/],
      [{ idempotencyKey: "\ud800" }, /idempotencyKey: contains a lone surrogate/],
      [{ idempotencyKey: "k", caller: "" }, /caller: is 0 characters long/],
    ];
    for (const [options, message] of refusals) {
      await expect(sync.syncBatch(batch("odd", 1), options)).rejects.toThrow(message);
      await expect(sync.delete("odd0", options)).rejects.toThrow(message);
    }
    expect(await sync.get("odd0")).toBeNull();
  });

  test("may be any text", async () => {
    const { sync } = shared.current;
    const { memoryId: _, ...memory } = shared.current.memory(1);
    for (const idempotencyKey of ["my key", "'; drop table mnemosync.memories; --", "鍵/🔑/0", "k".repeat(128)]) {
      const first = await sync.syncMemory("texts", { ...memory, content: idempotencyKey }, { idempotencyKey });
      expect(first.status).toBe("synced");
      await sync.syncMemory("texts", { ...memory, content: "since" });
      expect(await sync.syncMemory("texts", { ...memory, content: idempotencyKey }, { idempotencyKey })).toEqual(first);
    }
  });

  test("in another namespace, or of another caller, is another key", async () => {
    const { sync } = shared.current;
    const idempotencyKey = "shared by many";
    const { memoryId: _, ...memory } = shared.current.memory(1);
    const put = (namespace: string, content: string, caller?: string) =>
      sync.syncMemory("scoped", { ...memory, namespace, content }, { idempotencyKey, caller });
    await put("tenant-a", "of a");
    const other = await put("tenant-b", "of b");
    expect(other).toMatchObject({ namespace: "tenant-b", version: 1, status: "synced" });
    expect(await sync.get("scoped", { namespace: "tenant-b" })).toMatchObject({ content: "of b" });
    expect(await put("tenant-a", "of a caller", "caller-1")).toMatchObject({ version: 2, status: "synced" });
    expect(await put("tenant-a", "of another", "caller-2")).toMatchObject({ version: 3, status: "synced" });
    expect(await put("tenant-a", "of a")).toMatchObject({ version: 1 });
    expect(await sync.get("scoped", { namespace: "tenant-a" })).toMatchObject({ content: "of another" });
  });

  test("never stands for another request: nothing is written, and the error names the key", async () => {
    const { sync } = shared.current;
    const idempotencyKey = "one request";
    const reused = {
      code: "IDEMPOTENCY_KEY_REUSED",
      retryable: false,
      message: expect.stringContaining("one request"),
    };
    const { memoryId: _, ...memory } = shared.current.memory(1);
    await sync.syncMemory("bound", memory, { idempotencyKey });
    const before = await transactions();
    await expect(sync.delete("bound", { idempotencyKey })).rejects.toMatchObject(reused);
    const others: (() => Promise<unknown>)[] = [
      () => sync.syncMemory("bound", { ...memory, content: "another" }, { idempotencyKey }),
      () => sync.syncMemory("bound", { ...memory, embedding: [1, 0, 0, 0, 0, 0, 0, 0] }, { idempotencyKey }),
      () => sync.syncMemory("bound", memory, { idempotencyKey, expectedVersion: 1 }),
      () => sync.syncMemory("another", memory, { idempotencyKey }),
      () => sync.syncBatch(batch("bound", 150), { idempotencyKey }),
    ];
    for (const other of others) await expect(other()).rejects.toMatchObject(reused);
    expect(await transactions()).toBe(before);
    expect(await sync.get("bound")).toMatchObject({ version: 1, content: memory.content });
    expect(await sync.get("bound149")).toBeNull();
  });

  test("of a batch never stands for a longer or a shorter one", async () => {
    const { sync } = shared.current;
    const reused = { code: "IDEMPOTENCY_KEY_REUSED" };
    await sync.syncBatch(batch("length", 120), { idempotencyKey: "length" });
    for (const count of [100, 119, 121, 250]) {
      await expect(sync.syncBatch(batch("length", count), { idempotencyKey: "length" })).rejects.toMatchObject(reused);
    }
    expect(await sync.get("length120")).toBeNull();
    expect(await sync.syncBatch(batch("length", 120), { idempotencyKey: "length" })).toHaveLength(120);
  });

  test("is claimed by one of many different requests that come at once", async () => {
    const { sync } = shared.current;
    const { memoryId: _, ...memory } = shared.current.memory(1);
    const calls = Array.from({ length: 12 }, (_, number) =>
      sync.syncMemory(`rival${number}`, memory, { idempotencyKey: "for one of us" }).then(
        ({ status }) => status,
        (error) => error.code,
      ),
    );
    const endings = (await Promise.all(calls)).sort();
    expect(endings).toEqual([...Array(11).fill("IDEMPOTENCY_KEY_REUSED"), "synced"]);
    const rows = await shared.current.sql`select 1 from mnemosync.memory_versions where memory_id like 'rival%'`;
    expect(rows).toHaveLength(1);
  });

  test("of a batch over two namespaces is bound in both", async () => {
    const { sync } = shared.current;
    const [one, two] = batch("both", 2);
    const inputs = [
      { ...one!, namespace: "both-a" },
      { ...two!, namespace: "both-b" },
    ];
    const first = await sync.syncBatch(inputs, { idempotencyKey: "both" });
    expect(await sync.syncBatch(inputs, { idempotencyKey: "both" })).toEqual(first);
    for (const input of inputs) {
      await expect(sync.syncBatch([input], { idempotencyKey: "both" })).rejects.toMatchObject({
        code: "IDEMPOTENCY_KEY_REUSED",
      });
    }
  });
});

describe("a key and a failure", () => {
  test.each(["locked", "prepared", "committing"] as const)(
    "before the commit (%s): the key is free",
    async (moment) => {
      let armed = false;
      const onStep = (step: string) => {
        if (armed && step === moment) throw new Error(`stopped when ${step}`);
      };
      const world = await openWorld({ onTestFinished }, { faiss: false, settings: { onStep } });
      const { memoryId, ...memory } = world.memory(1);
      armed = true;
      await expect(world.sync.syncMemory(memoryId, memory, { idempotencyKey: "k" })).rejects.toThrow("stopped when");
      armed = false;
      expect(await world.sql`select 1 from mnemosync.idempotency_keys`).toHaveLength(0);
      const changed = { ...memory, content: "another request" };
      expect(await world.sync.syncMemory(memoryId, changed, { idempotencyKey: "k" })).toMatchObject({ version: 1 });
    },
  );

  test("an answer outlives its transaction's row, and is forgotten after its own time", async (t) => {
    const world = await openWorld(t, { faiss: false });
    const { memoryId, ...memory } = world.memory(1);
    const put = () => world.sync.syncMemory(memoryId, memory, { idempotencyKey: "k" });
    const first = await put();
    await world.sync.delete(memoryId);
    await world.sql`delete from mnemosync.sync_transactions`;
    expect(await put()).toEqual(first);
    expect(await world.sync.get(memoryId)).toBeNull();
    await world.sql`update mnemosync.idempotency_keys set created_at = created_at - interval '8 days'`;
    world.sync.start();
    await pollUntil("the key being forgotten", 30_000, async () => {
      return (await world.sql`select 1 from mnemosync.idempotency_keys`).length === 0;
    });
    expect(await put()).toMatchObject({ version: 3, status: "synced" });
  });

  test("an embedder that fails leaves the whole batch unwritten and its key free, and may answer otherwise later", async (t) => {
    let vectors: (number[] | null)[] = [null];
    const embedder = {
      model: "test",
      dimension: 8,
      embed: async (texts: readonly string[]) => {
        const vector = vectors.shift() ?? null;
        if (vector === null) throw new EmbeddingError("away");
        return texts.map(() => Float32Array.from(vector));
      },
    };
    const world = await openWorld(t, { faiss: { dimension: 8, model: "test" }, settings: { embedder } });
    const given = { ...world.memory(1), embedding: undefined };
    const inputs = [given, { ...given, memoryId: "second", metadata: { a: 1 } }];
    const put = () => world.sync.syncBatch(inputs, { idempotencyKey: "k" });
    expect((await put()).map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect(await world.sql`select 1 from mnemosync.idempotency_keys`).toHaveLength(0);
    vectors = [[1, 0, 0, 0, 0, 0, 0, 0]];
    const first = await put();
    expect(first.map(({ status }) => status)).toEqual(["synced", "synced"]);
    // The vector of the repeat differs in its last bits: it is the same request all the same.
    vectors = [[1, 0, 0, 0, 0, 0, 0, 0.001]];
    expect(await put()).toEqual(first);
  });
});
