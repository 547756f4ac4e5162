import { describe, expect, test } from "vitest";
import { ListReader } from "../../../src/connectors/memory-space/list-reader.ts";

/** The text in parts of `size` bytes, so that items and characters are cut anywhere. */
async function* parts(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, "utf8");
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, size = 7) {
  const reader = new ListReader(parts(text, size), "here");
  const ids: string[] = [];
  for await (const item of reader.items()) ids.push(item.id);
  return { ids, ...reader.facts };
}

describe("a listing", () => {
  test.each(["memories", "items", "results", "docs"])("may have its items under %s", async (key) => {
    const text = JSON.stringify({ context_id: "c", [key]: [{ id: "ä1" }, { id: "b" }], limit: 10, range: "all" });
    for (const size of [1, 3, 1_000]) {
      expect(await read(text, size)).toMatchObject({ ids: ["ä1", "b"], entries: 2, unreadable: 0, limit: 10 });
    }
  });

  test("may be a bare array, with white space before it", async () => {
    expect(await read('  \n [{"id":"a"},{"id":"b"}]', 1)).toMatchObject({ ids: ["a", "b"], limit: null });
  });

  test("gives the items of one key only: under another one they stand again", async () => {
    expect((await read(JSON.stringify({ items: [{ id: "a" }], docs: [{ id: "a" }, { id: "b" }] }))).ids).toEqual(["a"]);
  });

  test("does not read what is nested in an item for an item", async () => {
    const nested = { id: "a", items: [{ id: "no" }], data: { memories: [{ id: "no" }] }, limit: 3 };
    expect(await read(JSON.stringify({ memories: [nested], limit: 50 }))).toMatchObject({ ids: ["a"], limit: 50 });
  });

  test("counts entries that are no items", async () => {
    const text = JSON.stringify({ memories: [{ id: "a" }, { error: "x" }, "text", null] });
    expect(await read(text)).toMatchObject({ ids: ["a"], entries: 4, unreadable: 3 });
  });

  test("may be empty", async () => {
    expect(await read('{"context_id":"c","memories":[],"limit":10}')).toMatchObject({ ids: [], entries: 0 });
    expect(await read("[]")).toMatchObject({ ids: [], entries: 0 });
  });
});

test("a chunk with hundreds of items is read in several turns of the event loop", async () => {
  const items = Array.from({ length: 500 }, (_, index) => ({ id: `i${index}`, transcript: "we talked about it" }));
  let [clock, turns] = [0, 0];
  // Each look at the clock finds that more time than a turn's has passed.
  const reader = new ListReader(parts(JSON.stringify(items), 65_536), "here", () => (clock += 5));
  let immediate = setImmediate(function next() {
    turns++;
    immediate = setImmediate(next);
  });
  const ids: string[] = [];
  for await (const item of reader.items()) ids.push(item.id);
  clearImmediate(immediate);
  expect(ids).toEqual(items.map(({ id }) => id));
  expect(turns).toBeGreaterThanOrEqual(2);
});

describe("an answer that is no listing", () => {
  test.each([
    ['{"error":"quota exceeded"}', "it answered with an error: quota exceeded"],
    ['{"status":"ok"}', "the answer is no listing: expected an array under memories, items, results, docs"],
    ['{"memories":null}', "the answer is no listing"],
    ["<html>", "the answer is no JSON"],
    ['{"memories":[{"id":"a"}]}x', "the answer is no JSON"],
  ])("%s is refused for good", async (text, message) => {
    await expect(read(text)).rejects.toMatchObject({ failure: "permanent", message: expect.stringContaining(message) });
  });

  test.each(["", '{"memories":[{"id":"a"}', '{"memories":[{"id":"a"}]'])(
    "%s is cut off, and may be whole next time",
    async (text) => {
      await expect(read(text)).rejects.toMatchObject({ failure: "transient" });
    },
  );

  test("ends at an item that is too large", async () => {
    const text = `{"memories":[{"id":"a","text":"${"x".repeat(9_000_000)}"}]}`;
    await expect(read(text, 65_536)).rejects.toThrow("an item is over 8388608 bytes");
  });
});
