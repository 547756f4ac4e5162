import type { Status } from "../../api/documents.ts";

/** A reading of the service, one each 10 seconds. */
export interface Sample {
  readonly at: string;
  readonly writesPerSecond: number | null;
  readonly searchesPerSecond: number | null;
  /** Transactions not published yet, and memories queued for a store. */
  readonly pending: number | null;
  readonly dead: number | null;
  /** By store id: the age of the oldest version that it lacks. */
  readonly lagSeconds: Readonly<Record<string, number | null>>;
}

/** What an event `status` of the stream says. */
export interface StatusEvent {
  readonly at: string;
  readonly status: Status;
  /** At first those of the last hour, then those that are new. */
  readonly samples?: readonly Sample[];
}

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
  const known = Object.values(lagSeconds).filter((lag) => lag !== null);
  return known.length === 0 ? null : Math.max(...known);
}
