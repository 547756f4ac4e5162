import { Presets, SingleBar } from "cli-progress";

/** A line on standard error, redrawn in place at most ten times a second, and cleared at its end. */
export function lineOf(format: string): SingleBar {
  const appearance = { hideCursor: true, clearOnComplete: true, stream: process.stderr, fps: 10 };
  return new SingleBar({ ...appearance, format }, Presets.shades_classic);
}
