import type { Span } from "./terminal-screen.ts";

/** Pixels. A column is as wide as a character of the usual monospaced fonts at this size. */
const FONT_SIZE = 14;
const COLUMN_WIDTH = 8.43;
const ROW_HEIGHT = 19;
const MARGIN = 18;
const BAR_HEIGHT = 30;

const BACKGROUND = "#0d1117";
const FOREGROUND = "#e6edf3";
const COLOURS: Readonly<Record<number, string>> = { 31: "#ff7b72", 32: "#3fb950", 33: "#d29922", 36: "#79c0ff" };

/** A terminal window as SVG: text alone, so that it can be read, searched and compared. */
export function screenSvg(rows: readonly (readonly Span[])[], options: { columns: number; title: string }): string {
  const width = Math.ceil(options.columns * COLUMN_WIDTH + 2 * MARGIN);
  const height = BAR_HEIGHT + rows.length * ROW_HEIGHT + MARGIN;
  const title = escaped(options.title);
  const lines = rows.map((spans, index) => {
    const y = BAR_HEIGHT + (index + 1) * ROW_HEIGHT;
    return `<text x="${MARGIN}" y="${y}">${spans.map(spanSvg).join("")}</text>`;
  });
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (fill, index) => `<circle cx="${MARGIN + 6 + index * 20}" cy="16" r="6" fill="${fill}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    ...dots,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT_SIZE}" fill="${FOREGROUND}" xml:space="preserve">`,
    ...lines,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function spanSvg({ text, bold, colour }: Span): string {
  const fill = colour === null ? "" : ` fill="${COLOURS[colour] ?? FOREGROUND}"`;
  const weight = bold ? ' font-weight="bold"' : "";
  return fill === "" && weight === "" ? escaped(text) : `<tspan${fill}${weight}>${escaped(text)}</tspan>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
