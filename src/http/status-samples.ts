import type { Counter, Gauge, Histogram, MetricObjectWithValues, MetricValue, Registry } from "prom-client";
import type { StatusFigures } from "../documents/operation-documents.ts";
import type { Log } from "../index.ts";
import { Loop } from "../runtime/loop.ts";
import { METRIC_PREFIX } from "../runtime/metric-base.ts";

/** Milliseconds between two samples: as often as a scraper may come. */
const SAMPLE_EVERY_MS = 10_000;
/** An hour of them. */
const SAMPLES_MAX = 360;

interface Counts {
  readonly writes: number;
  readonly searches: number;
  /** Milliseconds on a clock that never goes back. */
  readonly readAt: number;
}

export interface StatusSamplesOptions {
  readonly registry: Registry;
  readonly log: Log;
  /** @default 10_000 */
  readonly everyMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly clock?: () => number;
}

/**
 * Keeps the last hour of a node's figures, as its metrics tell them: some 50 KB. A sample costs what a scrape of the metrics does,
 * and shares its reading of the ledger.
 */
export class StatusSamples {
  readonly #options: StatusSamplesOptions;
  readonly #loop: Loop;
  #samples: StatusFigures[] = [];
  #before: Counts | null = null;

  constructor(options: StatusSamplesOptions) {
    this.#options = options;
    const { log, everyMs: intervalMs = SAMPLE_EVERY_MS } = options;
    const pass = async (): Promise<boolean> => {
      await this.take();
      return false;
    };
    this.#loop = new Loop({ name: "status-samples", intervalMs, firstAfterMs: intervalMs, pass, log });
  }

  /** Samples after a time (milliseconds since 1970), the oldest first. */
  after(at: number): readonly StatusFigures[] {
    return this.#samples.filter((sample) => sample.at > at);
  }

  start(): void {
    this.#loop.start();
  }

  /** Safe before `start`, and twice. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  /** Takes a sample now; the loop does so at intervals. */
  async take(): Promise<void> {
    const { registry, now = Date.now, clock = () => performance.now() } = this.#options;
    // One after the other: the first one brings all gauges up to date.
    const queue = await valuesOf(registry, "queue_depth");
    const lag = await valuesOf(registry, "store_lag_seconds");
    const written = await valuesOf(registry, "sync_total");
    const searched = await valuesOf(registry, "search_duration_seconds");
    const counts: Counts = {
      writes: total(written.filter(({ labels }) => WRITTEN.has(String(labels.outcome)))),
      searches: total(searched.filter(({ metricName }) => metricName?.endsWith("_count"))),
      readAt: clock(),
    };
    const before = this.#before ?? counts;
    this.#before = counts;
    const seconds = (counts.readAt - before.readAt) / 1_000;
    const rate = (found: number, earlier: number): number =>
      seconds > 0 ? Math.round(((found - earlier) / seconds) * 100) / 100 : 0;
    const sample: StatusFigures = {
      at: now(),
      writesPerSecond: rate(counts.writes, before.writes),
      searchesPerSecond: rate(counts.searches, before.searches),
      pending: total(queue.filter(({ labels }) => labels.state !== "dead")),
      dead: total(queue.filter(({ labels }) => labels.state === "dead")),
      lagSeconds: Object.fromEntries(lag.map(({ labels, value }) => [String(labels.store), value])),
    };
    this.#samples = [...this.#samples.slice(1 - SAMPLES_MAX), sample];
  }
}

/** Outcomes of a write that the ledger holds. */
const WRITTEN = new Set(["synced", "degraded"]);

type Found = MetricValue<string> & { readonly metricName?: string };

async function valuesOf(registry: Registry, name: string): Promise<readonly Found[]> {
  const metric = registry.getSingleMetric(METRIC_PREFIX + name) as
    | Counter<string>
    | Gauge<string>
    | Histogram<string>
    | undefined;
  if (metric === undefined) return []; // A deployment without such a store.
  const { values } = (await metric.get()) as MetricObjectWithValues<MetricValue<string>>;
  return values as Found[];
}

function total(values: readonly Found[]): number {
  return values.reduce((sum, { value }) => sum + value, 0);
}
