import { collectYoungGarbage } from "./garbage.ts";
import { quantile } from "./statistics.ts";

/** Milliseconds that `work` takes. Garbage that lies about already is collected before the clock runs. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  collectYoungGarbage();
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Items per second. */
export async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  return (count / (await timed(work))) * 1_000;
}

/** Milliseconds of each of `count` calls, one after the other. */
export async function latencies(count: number, call: (index: number) => Promise<unknown>): Promise<number[]> {
  collectYoungGarbage();
  const found: number[] = [];
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now();
    await call(index);
    found.push(performance.now() - startedAt);
  }
  return found;
}

/** What is told of latencies, in order. */
export const LATENCY_FIGURES = [
  { name: "p50", unit: "ms" },
  { name: "p95", unit: "ms" },
  { name: "p99", unit: "ms" },
] as const;

/** The values of `LATENCY_FIGURES`. */
export function latencyFigures(times: readonly number[]): number[] {
  return [0.5, 0.95, 0.99].map((share) => quantile(times, share));
}
