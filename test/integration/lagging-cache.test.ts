import { expect, test } from "vitest";
import { MnemosyncRecordManager } from "../../src/adapters/langchain/index.ts";
import { underPreconditions } from "../../src/http/preconditions.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { behind } from "../support/lagging-cache.ts";
import { openWorld } from "../support/world.ts";

/**
 * Goal: what is decided goes by the ledger, where Redis is behind it. Method: another node commits, and Redis is given the
 * entry of before again, as where its publish is still to come.
 */

async function openLagging(t: Parameters<typeof openWorld>[0]) {
  const world = await openWorld(t, { faiss: false });
  const other = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "other" });
  t.onTestFinished(() => other.close());
  return { world, other };
}

test("a caller may pass the cache by", async (t) => {
  const { world, other } = await openLagging(t);
  await world.fill(2);
  await behind(world, "m0", () => other.patch("m0", { importance: 1 }));
  await behind(world, "m1", () => other.delete("m1"));
  expect(await world.sync.getMany(["m0", "m1"])).toMatchObject([{ version: 1 }, { version: 1 }]);
  expect(await world.sync.getMany(["m0", "m1", "never"], { fromLedger: true })).toMatchObject([
    { version: 2, importance: 1, source: "postgres" },
    null,
    null,
  ]);
  await behind(world, "m0", () => other.delete("m0"));
  expect(await world.sync.get("m0", { fromLedger: true })).toBeNull();
});

test("a record that another machine has deleted is not there for LangChain's record manager, and its group is the ledger's", async (t) => {
  const { world, other } = await openLagging(t);
  const namespace = "records";
  const manager = new MnemosyncRecordManager({ sync: world.sync, namespace });
  const elsewhere = new MnemosyncRecordManager({ sync: other, namespace });
  await manager.update(["gone", "moved"], { groupIds: ["a", "a"] });
  await behind(world, "gone", () => elsewhere.deleteKeys(["gone"]), namespace);
  await behind(world, "moved", () => elsewhere.update(["moved"], { groupIds: ["b"] }), namespace);
  expect(await manager.exists(["gone"])).toEqual([false]);
  await manager.update(["moved"]);
  expect(await manager.listKeys({ groupIds: ["b"] })).toEqual(["moved"]);
});

test("If-Match: * is the memory as the ledger has it", async (t) => {
  const { world, other } = await openLagging(t);
  await world.fill(1);
  await behind(world, "m0", () => other.patch("m0", { importance: 1 }));
  const key = { namespace: "default", memoryId: "m0" };
  const written = await underPreconditions({ "if-match": "*" }, world.sync, key, { owner: "me" }, (options) =>
    world.sync.patch("m0", { importance: 0 }, options),
  );
  expect(written).toMatchObject({ version: 3 });
});
