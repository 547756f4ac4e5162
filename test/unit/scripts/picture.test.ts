import { expect, test } from "vitest";
import { screenSvg } from "../../../scripts/picture/screen-svg.ts";
import { screenOf } from "../../../scripts/picture/terminal-screen.ts";

test("the screen holds what a terminal shows: a progress bar that was erased is gone, colours stay", () => {
  const bar =
    "\u001b7\u001b[?25l\u001b[1Gchecking 33%\u001b[0K\u001b[1Gchecking 100%\u001b[0K\u001b[?25h\u001b8\u001b[1G\u001b[2K";
  const screen = screenOf(`${bar}300 compared\r\nredis  \u001b[31mcorrupt\u001b[0m  \u001b[1m1\u001b[0m\r\n`);
  expect(screen).toEqual([
    [{ text: "300 compared", bold: false, colour: null }],
    [
      { text: "redis  ", bold: false, colour: null },
      { text: "corrupt", bold: false, colour: 31 },
      { text: "  ", bold: false, colour: null },
      { text: "1", bold: true, colour: null },
    ],
    [],
  ]);
});

test("a line that is written over keeps what the new text does not cover", () => {
  expect(screenOf("abcdef\rXY")).toEqual([[{ text: "XYcdef", bold: false, colour: null }]]);
});

test("the SVG shows each line, with markup escaped", () => {
  const svg = screenSvg(screenOf('$ get "<b>" & \u001b[32mok\u001b[0m'), { columns: 20, title: "a < b" });
  expect(svg).toContain("<title>a &lt; b</title>");
  expect(svg).toContain('$ get &quot;&lt;b&gt;&quot; &amp; <tspan fill="#3fb950">ok</tspan>');
  expect(svg).not.toContain("\u001b");
});
