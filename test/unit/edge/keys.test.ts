import { expect, test } from "vitest";
import type { EdgeStore } from "../../../src/edge/index.ts";
import { loadDriver } from "../../../src/edge/sqlite/drivers.ts";
import { chooseDriver } from "../../../src/edge/sqlite/probe.ts";
import { edgeWorld, note } from "../../support/edges.ts";

/**
 * Goal: a change gets a key above every key that the file ever made, whatever left the outbox, whoever wrote and however the clock goes:
 * the hub refuses a key below the settled ones.
 */

const HOUR_MS = 3_600_000;
const keysOf = async (edge: EdgeStore): Promise<string[]> => (await edge.queue()).map(({ key }) => key);

test("a key is above those that left the outbox, after a restart and with a clock that was put back", async () => {
  const { clock, folder, hub, open } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  const seen: string[] = [];
  for (let index = 0; index < 5; index++) {
    clock.advance(HOUR_MS);
    await edge.put(`m${index}`, note(`memory ${index}`));
  }
  seen.push(...(await keysOf(edge)));
  await edge.syncNow();
  expect(await keysOf(edge)).toEqual([]);
  clock.advance(-24 * HOUR_MS);
  await edge.put("behind", note("with a clock that was put back"));
  seen.push(...(await keysOf(edge)));
  await edge.delete("behind"); // Was never sent: nothing of it is left.
  await edge.close();
  const again = await open({ path });
  for (const memoryId of ["m0", "m1"]) await again.put(memoryId, note("changed"));
  seen.push(...(await keysOf(again)));
  expect(seen).toHaveLength(8);
  expect(seen.toSorted()).toEqual(seen);
  expect(new Set(seen).size).toBe(8);
  await again.syncNow();
  expect(hub.get("m1")?.memory).toMatchObject({ content: "changed" });
  expect(await again.status()).toMatchObject({ pending: 0, failed: 0 });
});

test("two writers of one file never make the same key, nor one below the other's", async () => {
  const { folder, open } = edgeWorld();
  const path = `${folder}/edge.db`;
  const writers = [await open({ path }), await open({ path })];
  for (let index = 0; index < 20; index++) await writers[index % 2]?.put(`m${index}`, note(`memory ${index}`));
  const keys = await keysOf(writers[0] as EdgeStore);
  expect(keys).toHaveLength(20);
  expect(keys.toSorted()).toEqual(keys);
  expect(new Set(keys).size).toBe(20);
});

test("where a write is rolled back, the next one gets a key above those that are kept", async () => {
  const { folder, open } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  await edge.put("m1", note("kept"));
  const raw = loadDriver(await chooseDriver("auto")).open(path, 1_000);
  raw.exec(
    "create trigger refused before insert on outbox when new.memory_id = 'm2' begin select raise(abort, 'no'); end",
  );
  await expect(edge.put("m2", note("refused"))).rejects.toThrow("no");
  await edge.put("m3", note("kept too"));
  raw.close();
  const keys = await keysOf(edge);
  expect(keys).toHaveLength(2);
  expect(keys.toSorted()).toEqual(keys);
});

test("a key is above the settled floor where the outbox that had the greatest ones was lost", async () => {
  const { clock, folder, hub, open } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  await edge.put("m1", note("settled"));
  await edge.syncNow();
  clock.advance(HOUR_MS);
  await edge.put("m2", note("its change is lost"));
  hub.intercept = () => {
    throw new Error("the hub is away");
  };
  await edge.pushOnce().catch(() => undefined); // The file calls settled what lies below this change.
  hub.intercept = () => undefined;
  await edge.close();
  const raw = loadDriver(await chooseDriver("auto")).open(path, 1_000);
  raw.exec("drop trigger outbox_last_key; delete from outbox");
  const floor = raw.prepare("select value from facts where name = 'settled_floor'").get() as { value: string };
  raw.close();
  clock.advance(-24 * HOUR_MS);
  const again = await open({ path });
  await again.put("m3", note("behind the floor by its clock"));
  const [key] = await keysOf(again);
  expect(String(key) > floor.value).toBe(true);
  await again.syncNow();
  expect(await again.status()).toMatchObject({ pending: 0, failed: 0 });
});
