import stringWidth from "string-width";
import { expect, onTestFinished, test } from "vitest";
import { columns } from "../../../src/cli/columns.ts";
import { meaningOf, timeText, wrapped } from "../../../src/cli/terminal.ts";

const HEADS = [{ head: "state", meaning: meaningOf }, { head: "memory" }, { head: "content" }];
const ROWS = [
  ["healthy", "default/m1", "words ".repeat(100)],
  ["down", "default/m2", "一二三".repeat(40)],
];

/** Makes standard output a terminal of this width until the test ends. */
function pretendTerminal(width: number, colours: boolean): void {
  const { isTTY, columns: before, hasColors } = process.stdout;
  Object.assign(process.stdout, { isTTY: true, columns: width, hasColors: () => colours });
  onTestFinished(() => void Object.assign(process.stdout, { isTTY, columns: before, hasColors }));
}

test.each([40, 80, 200])("a table fits a terminal of %i columns: the widest column gives way", (width) => {
  pretendTerminal(width, false);
  const lines = columns(HEADS, ROWS).split("\n");
  expect(lines).toHaveLength(3);
  expect(Math.max(...lines.map((line) => stringWidth(line)))).toBeLessThanOrEqual(width);
  expect(lines[1]).toMatch(/^healthy {2}default\/m1 {2}words .*…$/);
  const wrapped = columns(HEADS, ROWS.slice(0, 1), { overflow: "wrap", indent: 3 }).split("\n");
  expect(Math.max(...wrapped.map((line) => stringWidth(line)))).toBeLessThanOrEqual(width - 3);
  expect(wrapped.join(" ").match(/words/g)).toHaveLength(100);
});

test.each([60, 80])(
  "an id stays whole on a terminal of %i columns, and the others give way; one that is too long does not",
  (width) => {
    pretendTerminal(width, false);
    const id = "01M8JS6AN1150Q65T43TBCYPSQ";
    const heads = [{ head: "id", whole: true }, { head: "owner" }, { head: "url" }];
    const [, line = ""] = columns(heads, [[id, "o".repeat(30), "u".repeat(60)]]).split("\n");
    expect(line).toMatch(new RegExp(`^${id} {2}o+… {2}u+…$`));
    expect(stringWidth(line)).toBeLessThanOrEqual(width);
    const [, long = ""] = columns(heads, [["i".repeat(width), "owner", "url"]]).split("\n");
    expect(long).toMatch(/^i+… {2}owner {2}url$/);
    expect(stringWidth(long)).toBeLessThanOrEqual(width);
  },
);

test("a long text is broken between words on a terminal, behind its indent, and stays whole in a pipe", () => {
  const text = "a word ".repeat(40).trim();
  expect(wrapped(text, "  ")).toBe(`  ${text}`);
  pretendTerminal(80, false);
  const lines = wrapped(text, "  ").split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(lines.every((line) => line.startsWith("  ") && line[2] !== " ")).toBe(true);
  expect(lines.map((line) => line.trim()).join(" ")).toBe(text);
});

test("a state has the colour of its meaning on a terminal with colours", () => {
  pretendTerminal(80, true);
  const text = columns(HEADS, ROWS);
  expect(text).toContain("\u001b[32mhealthy\u001b[0m");
  expect(text).toContain("\u001b[31mdown\u001b[0m");
});

test("nothing is cut or coloured in a pipe, and control characters are escaped", () => {
  const text = columns(HEADS, [["down", "\u001b[2J", "word ".repeat(2_000)]]);
  expect(text).toContain("word ".repeat(2_000).trimEnd());
  expect(text).toContain("\\u001b[2J");
  expect(text).not.toContain("\u001b");
});

test("times are whole in a pipe and on a wide terminal, and to the minute on a narrow one", () => {
  const time = Date.UTC(2026, 0, 31, 12, 5, 7, 9);
  expect(timeText(time)).toBe("2026-01-31T12:05:07.009Z");
  pretendTerminal(200, false);
  expect(timeText(time)).toBe("2026-01-31T12:05:07.009Z");
  pretendTerminal(80, false);
  expect(timeText(time)).toBe("2026-01-31 12:05");
});
