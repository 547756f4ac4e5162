import type { Sample } from "../../api/documents.ts";

/** Samples of an hour. */
const SAMPLES_MAX = 360;

/** Samples by time, each once: a stream that was opened again repeats the last hour. */
export function withSamples(known: readonly Sample[], added: readonly Sample[]): readonly Sample[] {
  if (added.length === 0) return known;
  const byTime = new Map([...known, ...added].map((sample) => [sample.at, sample]));
  return [...byTime.values()].sort((one, other) => (one.at < other.at ? -1 : 1)).slice(-SAMPLES_MAX);
}

/** The lag of the store that is furthest behind; null: no store's is known. */
export function largestLag({ lagSeconds }: Sample): number | null {
  const known = Object.values(lagSeconds);
  return known.length === 0 ? null : Math.max(...known);
}
