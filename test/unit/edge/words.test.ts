import { expect, test } from "vitest";
import { edgeWorld, note } from "../../support/edges.ts";

/** Goal: words enter the index late, and a search finds what was written all the same, and nothing that went. */

const found = async (edge: { search(text: string): Promise<{ memoryId: string }[]> }, text: string) =>
  (await edge.search(text)).map(({ memoryId }) => memoryId).sort();

test("a search finds what was just written, edited and pulled, and not what was before", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("apples"));
  await edge.put("m1", note("pears")); // Before it was indexed.
  expect(await found(edge, "apples pears")).toEqual(["m1"]);
  expect(await found(edge, "apples")).toEqual([]);
  await edge.patch("m1", { content: "plums" }); // After it was.
  await edge.put("m2", note("plums too"));
  expect(await found(edge, "pears")).toEqual([]);
  expect(await found(edge, "plums")).toEqual(["m1", "m2"]);
  await edge.delete("m2");
  await edge.put("m3", note("cherries"));
  await edge.delete("m3"); // Never indexed.
  expect(await found(edge, "plums cherries")).toEqual(["m1"]);
  const memory = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null, privacy: "full" } as const;
  for (let index = 0; index < 2_500; index++) hub.write(`h${index}`, { ...memory, content: `walnut ${index}` });
  await edge.syncNow();
  expect(await edge.search("walnut", { k: 1_000 })).toHaveLength(1_000);
  expect(await found(edge, "2499")).toEqual(["h2499"]);
  hub.end("h2499", "erased");
  await edge.syncNow();
  expect(await found(edge, "2499")).toEqual([]);
});

test("a write of another process that it has not indexed is found", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/edge.db`;
  const [one, other] = [await open({ path }), await open({ path })];
  await one.put("m1", note("written by one"));
  expect(await found(other, "written")).toEqual(["m1"]);
  await other.put("m1", note("changed by the other"));
  expect(await found(one, "written")).toEqual([]);
  expect(await found(one, "changed")).toEqual(["m1"]);
});

test("a memory whose row takes the number of a removed one is found, and so are edits of rows on both sides of the last indexed one", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  await edge.put("kept", note("figs"));
  await edge.put("gone", note("grapes"));
  expect(await found(edge, "figs grapes")).toEqual(["gone", "kept"]); // Indexed up to the second row.
  await edge.delete("gone"); // Never sent: its row goes, and its number is free.
  await edge.put("m3", note("melons"));
  await edge.put("m4", note("quinces"));
  await edge.patch("kept", { content: "dates" });
  await edge.patch("m4", { content: "limes" });
  const other = await open({ path });
  for (const reader of [edge, other]) {
    expect(await found(reader, "figs grapes quinces")).toEqual([]);
    expect(await found(reader, "melons dates limes")).toEqual(["kept", "m3", "m4"]);
  }
  await other.delete("m4");
  expect(await found(edge, "limes")).toEqual([]);
});
