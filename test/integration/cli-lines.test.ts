import { expect, test } from "vitest";
import { columns } from "../../src/cli/columns.ts";
import { duration, printable } from "../../src/cli/output.ts";
import { type JsonLine, LINE_BYTES_MAX, readJsonLines } from "../../src/transfer/json-lines.ts";

async function read(bytes: Buffer, chunkBytes = bytes.length): Promise<JsonLine[]> {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
  }
  const lines: JsonLine[] = [];
  for await (const line of readJsonLines(chunks())) lines.push(line);
  return lines;
}

test("lines keep their numbers and values, wherever the chunks end", async () => {
  const bytes = Buffer.from('\uFEFF{"a":"é"}\r\n\n  \n[1]\nno\n"Jiāyí"');
  const whole = await read(bytes);
  expect(whole).toEqual([
    { number: 1, end: 15, heldBytes: 14, content: { value: { a: "é" } } },
    { number: 4, end: 23, heldBytes: 3, content: { value: [1] } },
    { number: 5, end: 26, heldBytes: 0, content: { flaw: expect.stringContaining("not JSON") } },
    { number: 6, end: bytes.length, heldBytes: 9, content: { value: "Jiāyí" } },
  ]);
  for (const chunkBytes of [1, 2, 3, 7]) expect(await read(bytes, chunkBytes)).toEqual(whole);
});

test("a line that is too long or no UTF-8 is told of, and the next one is read", async () => {
  const long = Buffer.alloc(LINE_BYTES_MAX + 1, "x");
  const lines = await read(Buffer.concat([long, Buffer.from("\n1\n"), Buffer.from([0xff, 0x0a]), Buffer.from("2")]));
  expect(lines.map(({ number, content }) => [number, content])).toEqual([
    [1, { flaw: expect.stringContaining(String(LINE_BYTES_MAX)) }],
    [2, { value: 1 }],
    [3, { flaw: "not UTF-8" }],
    [4, { value: 2 }],
  ]);
});

test("what others wrote cannot steer the terminal or break the table", () => {
  expect(printable("a\u001b[31mb\u0007\r\nc\u202ed")).toBe("a\\u001b[31mb\\u0007 c\\u202ed");
  expect(printable("0123456789", 5)).toBe("0123…");
  const table = columns([{ head: "id" }, { head: "count", align: "right" }], [["x\ny", "5"]]);
  expect(table).toBe("id   count\nx y      5");
});

test("durations read as people say them", () => {
  expect([85, 3_240, 125_000].map(duration)).toEqual(["85 ms", "3.2 s", "2 min 05 s"]);
});
