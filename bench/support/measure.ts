import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

/** What a piece of work cost this process. */
export interface Cost<T> {
  readonly result: T;
  readonly ms: number;
  /** Milliseconds by which timers came late, at the 99th percentile and at worst. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  /** Growth of the resident set over its size before, at the highest of many looks; mebibytes. */
  readonly rssGrowthMiB: number;
}

const SAMPLE_MS = 10;

/** Runs `work` and measures it. */
export async function measured<T>(work: () => Promise<T>): Promise<Cost<T>> {
  globalThis.gc?.();
  const rssBefore = process.memoryUsage.rss();
  let rssMax = rssBefore;
  const histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  const stop = new AbortController();
  const sampling = (async () => {
    while (!stop.signal.aborted) {
      rssMax = Math.max(rssMax, process.memoryUsage.rss());
      await delay(SAMPLE_MS, undefined, { signal: stop.signal }).catch(() => undefined); // The end of the measurement.
    }
  })();
  histogram.enable();
  const startedAt = performance.now();
  try {
    const result = await work();
    const ms = performance.now() - startedAt;
    // The histogram counts the interval of its own timer too.
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - SAMPLE_MS);
    return {
      result,
      ms,
      loopP99Ms: late(histogram.percentile(99)),
      loopMaxMs: late(histogram.max),
      rssGrowthMiB: (rssMax - rssBefore) / 1_048_576,
    };
  } finally {
    histogram.disable();
    stop.abort();
    await sampling;
  }
}
