import { expect, test, vi } from "vitest";
import type { MemoryInput } from "../../../src/domain/memory-input.ts";
import { importLines } from "../../../src/transfer/import-lines.ts";
import { readJsonLines } from "../../../src/transfer/json-lines.ts";

/** Goal: an import holds a bounded number of bytes, whatever its lines are. */

const MEBIBYTE = 1_048_576;

async function* bytesOf(lines: Iterable<string>): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(`${line}\n`);
}

/** Reads windows and notes how many lines each had. */
function writer() {
  const windows: number[] = [];
  const syncBatch = async (memories: AsyncIterable<MemoryInput>) => {
    let lines = 0;
    for await (const _ of memories) lines++;
    windows.push(lines);
    return [];
  };
  return { windows, sync: { syncBatch } };
}

function importing(lines: Iterable<string>, sync: ReturnType<typeof writer>["sync"]) {
  const signal = new AbortController().signal;
  return importLines(sync, readJsonLines(bytesOf(lines)), {
    namespace: undefined,
    signal,
    onProgress: () => undefined,
  });
}

function* repeat(line: (number: number) => string, count: number): Generator<string> {
  for (let number = 0; number < count; number++) yield line(number);
}

test("a window of lines ends with its bytes", async () => {
  const { windows, sync } = writer();
  const content = "x".repeat(MEBIBYTE);
  await importing(
    repeat((number) => JSON.stringify({ memoryId: `m${number}`, content }), 150),
    sync,
  );
  expect(windows.slice(0, 2)).toEqual([64, 64]);
  expect(windows.reduce((sum, lines) => sum + lines)).toBe(150);
});

test("lines of many small parts fill a window sooner than their bytes say", async () => {
  const { windows, sync } = writer();
  const line = JSON.stringify({ list: new Array(90_000).fill([]) });
  await importing(
    repeat(() => line, 40),
    sync,
  );
  expect(line.length).toBeLessThan(MEBIBYTE);
  expect(Math.max(...windows)).toBeLessThan(20);
});

test("lines of a usual size fill windows of 10,000", async () => {
  const { windows, sync } = writer();
  await importing(
    repeat((number) => `{"memoryId":"m${number}"}`, 20_001),
    sync,
  );
  expect(windows).toEqual([10_000, 10_000, 1]);
});

test.each([
  ["a name of 1 MiB", JSON.stringify({ ["n".repeat(MEBIBYTE)]: 1 }), /the name of a field is 1048576 bytes long/],
  ["nested lists", `{"a":[${"[],".repeat(MEBIBYTE)}[]]}`, /texts, names, lists and objects than the 100000/],
  ["levels", `{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, /nested deeper than the 120 levels/],
])("a line with too many or too long parts (%s) is a flaw, and is not parsed", async (_, line, message) => {
  const parse = vi.spyOn(JSON, "parse");
  const read = [];
  for await (const { content } of readJsonLines(bytesOf([line, '{"memoryId":"next"}']))) read.push(content);
  const parsed = parse.mock.calls.map(([text]) => text);
  parse.mockRestore();
  expect(read).toEqual([{ flaw: expect.stringMatching(message) }, { value: { memoryId: "next" } }]);
  expect(parsed).toEqual(['{"memoryId":"next"}']);
});
