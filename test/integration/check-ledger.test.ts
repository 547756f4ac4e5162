import { describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { sharedWorld } from "../support/world.ts";

/** Goal: damage in the ledger itself is found by a deep check, mended where a sound copy exists, and never spread. */

const shared = sharedWorld();

describe("damage in the ledger", () => {
  test("of a document is found and mended from Redis, whose copy fits the checksum", async () => {
    const world = shared.current;
    const { checksum } = await world.put({ ...world.memory(1), memoryId: "edited" });
    await world.sql`
      update mnemosync.memory_bodies set document = '{"content":"forged","importance":0.5,"memoryType":"x","metadata":{},"privacy":"full"}'
      where memory_id = 'edited'`;
    expect(await world.sync.checkConsistency({ scope: "full" })).toMatchObject({ clean: true });
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.findings).toMatchObject([
      { memoryId: "edited", store: "postgres", kind: "corrupt", expectedVersion: 1, foundVersion: 1 },
    ]);
    expect(report.byMemory).toEqual({ edited: ["postgres"] });
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1, results: { edited: true } });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    await world.redis.del(world.redisKey("edited"));
    expect(await world.sync.get("edited")).toMatchObject({ content: "memory number 1", checksum, source: "postgres" });
    const [kept] = await world.sql`
      select found_document, state from mnemosync.conflict_resolutions where memory_id = 'edited'`;
    expect(JSON.parse(kept?.found_document.toString())).toMatchObject({ content: "forged" });
    expect(kept?.state).toBe("resolved");
    await world.sync.repairInconsistencies(await world.sync.checkConsistency());
  });

  test("of a document's shape fails reads of that memory alone, with a message that says what to do", async () => {
    const world = shared.current;
    const sound = world.memory(60);
    await world.put({ ...sound, memoryId: "sound" });
    await world.put({ ...sound, memoryId: "misshapen" });
    await world.put({ ...sound, memoryId: "misshapen", content: "second" });
    await world.sql`
      update mnemosync.memory_bodies set document = '{"content":"forged"}' where memory_id = 'misshapen' and version = 2`;
    await world.redis.del(world.redisKey("misshapen")); // So that the ledger is asked.
    const damage = {
      code: "INTERNAL",
      message: expect.stringMatching(
        /memory "misshapen" in namespace default, version 2, is damaged: memoryType is no text; .*check --scope deep/,
      ),
    };
    await expect(world.sync.get("misshapen")).rejects.toMatchObject(damage);
    await expect(world.sync.history("misshapen")).rejects.toMatchObject(damage);
    await expect(world.sync.diff("misshapen", 1, 2)).rejects.toMatchObject(damage);
    const found = await world.sync.search(sound.embedding as number[], { k: 50 });
    const ids = found.map(({ memory }) => memory.memoryId);
    expect([ids.includes("sound"), ids.includes("misshapen")]).toEqual([true, false]);

    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.findings).toContainEqual(
      expect.objectContaining({ memoryId: "misshapen", store: "postgres", kind: "corrupt" }),
    );
    // No store has a sound copy now: an older version of the ledger itself is one.
    expect(await world.sync.rollback("misshapen", 1)).toMatchObject({ status: "synced", version: 3 });
    expect(await world.sync.get("misshapen")).toMatchObject({ content: sound.content, version: 3 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("of a vector by one bit is found, and mended", async () => {
    const world = shared.current;
    const input = { ...world.memory(2), memoryId: "bit rot" };
    await world.put(input);
    await world.sql`
      update mnemosync.memory_bodies set embedding = set_bit(embedding, 77, 1 - get_bit(embedding, 77)) where memory_id = 'bit rot'`;
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.byMemory).toEqual({ "bit rot": ["postgres"] });
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    const [row] = await world.sql`select embedding from mnemosync.memories where memory_id = 'bit rot'`;
    expect(new Float32Array(new Uint8Array(row?.embedding).buffer)).toEqual(input.embedding);
  });

  test("that took a document away is found and mended", async () => {
    const world = shared.current;
    await world.put({ ...world.memory(3), memoryId: "lost" });
    await world.sql`delete from mnemosync.memory_bodies where memory_id = 'lost'`;
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.findings).toMatchObject([{ memoryId: "lost", store: "postgres", kind: "corrupt" }]);
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("that left a document to a deleted memory is found and mended", async () => {
    const world = shared.current;
    await world.put({ ...world.memory(4), memoryId: "buried" });
    await world.sync.delete("buried");
    await world.sql`update mnemosync.memory_bodies set document = '{}' where memory_id = 'buried' and checksum is null`;
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.findings).toMatchObject([{ memoryId: "buried", store: "postgres", kind: "corrupt" }]);
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    expect(await world.sync.get("buried")).toBeNull();
  });

  test.each(["checksum", "digest", "bucket"] as const)(
    "to a %s that is kept beside the document is found, and put back from what proves it",
    async (column) => {
      const world = shared.current;
      const memoryId = `changed ${column}`;
      await world.put({ ...world.memory(7), memoryId });
      const read = () => world.sql`
        select checksum, digest::text, bucket from mnemosync.memory_versions where memory_id = ${memoryId}`;
      const [before] = await read();
      if (column === "checksum") {
        await world.sql`update mnemosync.memory_versions set checksum = overlay(checksum placing 'ffff' from 9)
                        where memory_id = ${memoryId}`;
      } else {
        await world.sql`update mnemosync.memory_versions set ${world.sql(column)} = ${world.sql(column)} # 1
                        where memory_id = ${memoryId}`;
      }
      const report = await world.sync.checkConsistency({ scope: "deep" });
      expect(report.findings).toMatchObject([{ memoryId, store: "postgres", kind: "corrupt", expectedVersion: 1 }]);
      expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1, failed: 0, deferred: 0 });
      expect(await read()).toEqual([before]);
      expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    },
  );

  test("without a sound copy anywhere cannot be repaired, says so, and is not spread to the stores", async () => {
    const world = shared.current;
    await world.put({ ...world.memory(5), memoryId: "beyond help" });
    await world.untilMarked();
    await world.sql`
      update mnemosync.memory_bodies set document = '{"content":"forged","importance":0.5,"memoryType":"x","metadata":{},"privacy":"full"}'
      where memory_id = 'beyond help'`;
    await world.redis.del(world.redisKey("beyond help"));
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.byMemory["beyond help"]?.toSorted()).toEqual(["postgres", "redis"]);
    const repair = await world.sync.repairInconsistencies(report);
    expect(repair).toMatchObject({ repaired: 0, failed: 2, results: { "beyond help": false } });
    expect(repair.details.map(({ note }) => note).join()).toMatch(/backup.*damaged/);
    expect(await world.redis.exists(world.redisKey("beyond help"))).toBe(0);
    // Written anew, it is whole again.
    const { memoryId, ...fields } = { ...world.memory(5, { content: "anew" }), memoryId: "beyond help" };
    expect(await world.sync.syncMemory(memoryId, fields)).toMatchObject({ status: "synced", version: 2 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("is what check_memory_consistency tells of one memory", async () => {
    const world = shared.current;
    const { checksum } = await world.put({ ...world.memory(6), memoryId: "asked" });
    const ask = async (memoryId: string) => {
      const rows = await world.sql`
        select *, version::int as version
        from mnemosync.check_memory_consistency('default', ${memoryId})`;
      return rows.map((row) => ({ ...row }));
    };
    const marked = () => pollUntil("its mark", 30_000, async () => (await ask("asked"))[0]?.status !== "publishing");
    await marked();
    const sound = {
      version: 1,
      recorded_checksum: checksum,
      computed_checksum: checksum,
      intact: true,
      store_versions: { redis: 1, faiss: 1 },
      status: "synced",
      deleted: false,
    };
    expect(await ask("asked")).toEqual([sound]);
    expect(await ask("unknown")).toEqual([]);
    await world.sql`update mnemosync.memory_bodies set embedding = null where memory_id = 'asked'`;
    expect(await ask("asked")).toMatchObject([{ intact: false, recorded_checksum: checksum }]);
    expect((await ask("asked"))[0]).not.toMatchObject({ computed_checksum: checksum });
    await world.sync.repairInconsistencies(await world.sync.checkConsistency({ scope: "deep" }));
    expect(await ask("asked")).toEqual([sound]);
    await world.sync.delete("asked");
    await marked();
    expect(await ask("asked")).toEqual([
      {
        ...sound,
        version: 2,
        recorded_checksum: null,
        computed_checksum: null,
        deleted: true,
        store_versions: { redis: 2, faiss: 2 },
      },
    ]);
  });
});
