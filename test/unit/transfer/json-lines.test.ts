import { expect, test } from "vitest";
import { type JsonLine, readJsonLines } from "../../../src/transfer/json-lines.ts";
import { hurriedClock, turnsOf } from "../../support/loop-turns.ts";

/** Goal: lines cost turns of the event loop, however short they are and whatever is wrong with them. */

async function linesOf(text: string, pieces: number): Promise<{ result: JsonLine[]; turns: number }> {
  const bytes = Buffer.from(text);
  const size = Math.ceil(bytes.length / pieces);
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  return await turnsOf(async () => {
    const lines: JsonLine[] = [];
    for await (const line of readJsonLines(source(), hurriedClock())) lines.push(line);
    return lines;
  });
}

test.each([
  ["blank", "\n", 0],
  ["of a number", "1\n", 20_000],
  ["that are no JSON", "x\n", 20_000],
])("20,000 lines %s in one piece are read in many turns", async (_, line, read) => {
  const { result, turns } = await linesOf(line.repeat(20_000), 1);
  expect(result).toHaveLength(read);
  expect(turns).toBeGreaterThan(1_000);
});

test("long lines take a turn each", async () => {
  const { result, turns } = await linesOf(`"${"x".repeat(200_000)}"\n`.repeat(20), 7);
  expect(result).toHaveLength(20);
  expect(turns).toBeGreaterThanOrEqual(20);
});
