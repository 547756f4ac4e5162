import { useId } from "preact/hooks";

export interface SparklineProps {
  /** Oldest first; null: it was not measured. */
  readonly values: readonly (number | null)[];
  /** What the line shows, for screen readers. */
  readonly label: string;
  /** @default "accent" */
  readonly tone?: "accent" | "warning" | "bad";
}

const WIDTH = 240;
const HEIGHT = 44;
const PADDING = 3;

/** A small line of values over time, from zero up. Gaps stay gaps. */
export function Sparkline({ values, label, tone = "accent" }: SparklineProps) {
  const titleId = useId();
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return <p class="sparkline-empty">Not enough readings yet</p>;
  const max = Math.max(...known, 0);
  const scale = max === 0 ? 0 : (HEIGHT - 2 * PADDING) / max;
  const x = (index: number) => (index / (values.length - 1)) * WIDTH;
  const y = (value: number) => HEIGHT - PADDING - value * scale;
  const lines = segmentsOf(values);
  return (
    <svg
      class={`sparkline sparkline-${tone}`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-labelledby={titleId}
    >
      <title id={titleId}>{label}</title>
      {lines.map((line) => (
        <g key={line[0]?.index}>
          <path
            class="sparkline-area"
            d={`${path(line, x, y)}L${x(last(line))},${HEIGHT}L${x(firstOf(line))},${HEIGHT}Z`}
          />
          <path class="sparkline-line" d={path(line, x, y)} />
        </g>
      ))}
    </svg>
  );
}

interface Point {
  readonly index: number;
  readonly value: number;
}

/** Runs of values without a gap. */
function segmentsOf(values: readonly (number | null)[]): Point[][] {
  const segments: Point[][] = [];
  let current: Point[] = [];
  for (const [index, value] of values.entries()) {
    if (value !== null) current.push({ index, value });
    if ((value === null || index === values.length - 1) && current.length > 0) {
      segments.push(current);
      current = [];
    }
  }
  return segments;
}

function path(line: readonly Point[], x: (index: number) => number, y: (value: number) => number): string {
  return line
    .map(({ index, value }, at) => `${at === 0 ? "M" : "L"}${x(index).toFixed(1)},${y(value).toFixed(1)}`)
    .join("");
}

function firstOf(line: readonly Point[]): number {
  return line[0]?.index ?? 0;
}

function last(line: readonly Point[]): number {
  return line.at(-1)?.index ?? 0;
}
