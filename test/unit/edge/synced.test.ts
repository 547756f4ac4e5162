import { expect, test } from "vitest";
import { syncText } from "../../../src/cli/commands/edge-texts.ts";
import { edgeWorld, note } from "../../support/edges.ts";

/** Goal: a sync tells what went up and what came down, one change after the other, and its own echoes are no news. */

const FULL = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null, privacy: "full" } as const;

test("a report lists what went up and what came down, with what became of each change", async () => {
  const { hub, open, clock } = edgeWorld();
  const edge = await open({ namespaces: ["default", "work"] });
  await edge.put("base", note("the base"));
  await edge.put("left", note("to be deleted"));
  await edge.syncNow();
  clock.advance(1_000);
  hub.write("told", { ...FULL, content: "from the hub" });
  hub.write("base", { ...FULL, content: "changed at the hub" });
  hub.end("left", "deleted");
  clock.advance(1_000);
  await edge.put("base", note("changed here, later"));
  await edge.put("new", note("new"), { namespace: "work" });
  await edge.put("large", note("refused"));
  await edge.put("patient", note("not now"));
  hub.answerInstead = ({ memoryId }) => {
    if (memoryId === "large") return { status: "rejected", code: "VALIDATION", message: "content is too long" };
    return memoryId === "patient"
      ? { status: "retry", code: "QUOTA_CHANGES", message: "slow down", afterMs: 60_000 }
      : null;
  };
  const report = await edge.syncNow();
  const told = (list: typeof report.up) =>
    list.changes.map(({ memoryId, op, outcome, version, note: why }) => [memoryId, op, outcome, version, why]);
  expect(told(report.up)).toEqual([
    ["base", "put", "conflict", 2, "the edit here counts: the edit here is newer"],
    ["new", "put", "applied", 1, null],
    ["large", "put", "failed", null, "VALIDATION: content is too long"],
    ["patient", "put", "retry", null, "QUOTA_CHANGES: slow down"],
    ["base", "put", "applied", 3, null],
  ]);
  // Neither `new` nor `base`: they come back as echoes.
  expect(told(report.down)).toEqual([
    ["told", "put", "applied", 1, null],
    ["left", "delete", "applied", 2, null],
  ]);
  expect([report.up.count, report.down.count]).toEqual([5, 2]);
  expect(syncText(report)).toBe(
    [
      "5 changes up, 2 changes down; 1 conflict, 1 failed, 1 pending",
      "      memory      change  version  outcome",
      "up    base        put           2  conflict: the edit here counts: the edit here is newer",
      "up    new (work)  put           1  applied",
      "up    large       put              failed: VALIDATION: content is too long",
      "up    patient     put              retry: QUOTA_CHANGES: slow down",
      "up    base        put           3  applied",
      "down  told        put           1  applied",
      "down  left        delete        2  applied",
    ].join("\n"),
  );
});

test("a list is bounded, and the count is not; people see the first lines of it", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  for (let index = 0; index < 30; index++) await edge.put(`own-${index}`, note(`own ${index}`));
  for (let index = 0; index < 30; index++) hub.write(`told-${index}`, { ...FULL, content: `told ${index}` });
  const report = await edge.syncNow({ listMax: 25 });
  expect([report.up.count, report.up.changes.length]).toEqual([30, 25]);
  expect([report.down.count, report.down.changes.length]).toEqual([30, 25]);
  const lines = syncText(report).split("\n");
  expect(lines).toHaveLength(2 + 2 * 21);
  expect(lines[22]).toMatch(/^up\s+and 10 more$/);
  expect(lines[43]).toMatch(/^down\s+and 10 more$/);
  const nothing = await edge.syncNow();
  expect(syncText(nothing)).toBe("0 changes up, 0 changes down; 0 conflicts, 0 failed, 0 pending");
});

test("what the hub had forgotten is sent anew at once, and counts once, whether the list has room for it or not", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  for (const listMax of [1_000, 0]) {
    const ids = ["a", "b", "c"].map((name) => `${name}-${listMax}`);
    const forgotten = new Set(ids.slice(1));
    for (const memoryId of ids) await edge.put(memoryId, note(memoryId));
    hub.answerInstead = ({ memoryId }) => (forgotten.delete(memoryId) ? { status: "conflict", current: null } : null);
    const { up } = await edge.syncNow({ listMax });
    expect([up.count, up.changes.length]).toEqual([3, Math.min(3, listMax)]);
    for (const memoryId of ids) expect(hub.get(memoryId)?.memory).toMatchObject({ content: memoryId });
  }
});

test("a sync that is done by another holder of the file is told in the same way", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/shared.db`;
  const [holder, asking] = [await open({ path }), await open({ path })];
  await holder.put("m", note("m"));
  holder.start();
  await expect.poll(async () => (await asking.status()).syncing).toBe(true);
  const report = await asking.syncNow();
  expect(report.up.count).toBe(report.up.changes.length);
  expect(report).toMatchObject({ pending: 0, failed: 0 });
});
