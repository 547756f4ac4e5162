import { median } from "../support/statistics.ts";
import { formatNumber } from "./format.ts";
import type { LinePlot, Measure, Point, Role, ScenarioResult } from "./scenario.ts";

// Middle tones: legible on white as on black, since a plot cannot know the page that it is shown on.
const TEXT = "#7d8590";
const COLOURS: Record<Role, readonly string[]> = {
  ours: ["#2f81f7", "#39c5cf", "#8b6cf0"],
  floor: ["#848d97", "#a2792b", "#6e8f5e"],
  peer: ["#d4734b", "#c95590", "#b0852a"],
};
const WIDTH = 760;
/** A character of a label at most, roughly: a plot has no means to measure text. */
const CHARACTER = 6.7;
const BAR = 16;
const ROW = 24;
const PLOT_HEIGHT = 220;

interface Panel {
  readonly height: number;
  readonly body: string;
}

/** All results of a scenario, one below the other; null when none of them can be drawn. */
export function scenarioPlot(results: readonly ScenarioResult[]): string | null {
  const panels = results.flatMap(({ title, measures, lines }) =>
    lines === undefined ? barPanels(title, measures) : [linePanel(title, lines)],
  );
  if (panels.length === 0) return null;
  let top = 0;
  const placed = panels.map(({ height, body }) => {
    const at = top;
    top += height;
    return `<g transform="translate(0 ${at})">${body}</g>`;
  });
  // What a screen reader says of the plot; the table beside it has the figures.
  const titles = [...new Set(results.map(({ title }) => title))];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="${TEXT}">\n<title>${escaped(titles.join("; "))}</title>\n${placed.join("\n")}\n</svg>\n`
  );
}

/** Bars of the medians, the spread as a line across their ends: one panel for each unit. */
function barPanels(title: string, measures: readonly Measure[]): Panel[] {
  const units = [...new Set(measures.map(({ unit }) => unit))];
  return units.flatMap((unit) => {
    const shown = measures.filter((measure) => measure.unit === unit && measure.values.length > 0);
    if (shown.length < 2) return [];
    const highest = Math.max(...shown.flatMap(({ values }) => values), Number.MIN_VALUE);
    const names = shown.map(({ contender, figure }) => (figure === undefined ? contender : `${contender}, ${figure}`));
    const left = Math.min(WIDTH / 2, 20 + Math.max(...names.map((name) => name.length)) * CHARACTER);
    const x = (value: number): number => (Math.max(0, value) / highest) * (WIDTH - left - 90);
    const bars = shown.map(({ role, values }, index) => {
      const top = 28 + index * ROW;
      const middle = top + BAR / 2;
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return [
        text(left - 8, middle + 4, names[index] as string, "end"),
        `<rect x="${left}" y="${top}" width="${round(x(median(values)))}" height="${BAR}" fill="${COLOURS[role][0]}"/>`,
        `<path d="M${round(left + x(low))} ${middle}H${round(left + x(high))}" stroke="${TEXT}" stroke-width="2"/>`,
        text(left + x(high) + 6, middle + 4, formatNumber(median(values))),
      ].join("");
    });
    const heading = text(8, 16, `${title}: ${unit}`, "start", true);
    return [{ height: 28 + shown.length * ROW + 14, body: `${heading}${bars.join("")}` }];
  });
}

/** One line per series. An axis along which values span more than a factor of twenty is logarithmic. */
function linePanel(title: string, { x: xName, y: yName, series }: LinePlot): Panel {
  const points = series.flatMap((one) => one.points);
  const [left, right, top, bottom] = [70, WIDTH - 50, 34, 34 + PLOT_HEIGHT];
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const ys = axisTicks(points.map(([, y]) => y));
  const toX = axis(xs, left, right);
  const toY = axis(ys, bottom, top);
  const grid = ys.map((value) => {
    const y = round(toY(value));
    const line = `<path d="M${left} ${y}H${right}" stroke="${TEXT}" stroke-opacity="0.3"/>`;
    return line + text(left - 6, y + 4, value.toLocaleString("en-US"), "end");
  });
  const ticks = xs.map((x) => text(toX(x), bottom + 18, x.toLocaleString("en-US"), "middle"));
  const used: Record<Role, number> = { ours: 0, floor: 0, peer: 0 };
  const drawn = series.map(({ name, role, points: own }, index) => {
    const colours = COLOURS[role];
    const colour = colours[used[role]++ % colours.length] as string;
    const path = own.map(([x, y]: Point, at) => `${at === 0 ? "M" : "L"}${round(toX(x))} ${round(toY(y))}`).join("");
    const dots = own.map(([x, y]) => `<circle cx="${round(toX(x))}" cy="${round(toY(y))}" r="3" fill="${colour}"/>`);
    const legend = bottom + 56 + index * 18;
    return [
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...dots,
      `<rect x="${left}" y="${legend - 9}" width="12" height="10" fill="${colour}"/>`,
      text(left + 18, legend, name),
    ].join("");
  });
  const heading = text(8, 16, `${title}: ${yName}`, "start", true) + text(right, bottom + 36, xName, "end");
  return { height: bottom + 56 + series.length * 18, body: [heading, ...grid, ...ticks, ...drawn].join("") };
}

/** Where values lie between `start` and `end`, of which the ends of `ticks` are. */
function axis(ticks: readonly number[], start: number, end: number): (value: number) => number {
  const [least = 0, most = 1] = [ticks[0], ticks.at(-1)];
  if (most === least) return () => (start + end) / 2;
  const scale = least > 0 && most / least > 20 ? Math.log : (value: number): number => value;
  const length = scale(most) - scale(least);
  return (value) => start + ((scale(value) - scale(least)) / length) * (end - start);
}

/** Round numbers around all values: powers of ten where they span much, else steps from zero. */
export function axisTicks(values: readonly number[]): number[] {
  const highest = Math.max(...values, Number.MIN_VALUE);
  const lowest = Math.min(...values, highest);
  if (lowest > 0 && highest / lowest > 20) {
    const [from, to] = [Math.floor(Math.log10(lowest)), Math.ceil(Math.log10(highest))];
    return Array.from({ length: to - from + 1 }, (_, at) => Number(`1e${from + at}`));
  }
  const power = 10 ** Math.floor(Math.log10(highest / 4));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power * 4 >= highest) ?? 10) * power;
  const count = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

function text(x: number, y: number, content: string, anchor = "start", bold = false): string {
  const weight = bold ? ' font-weight="600"' : "";
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${weight}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const round = (value: number): number => Math.round(value * 10) / 10;
