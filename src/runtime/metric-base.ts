import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { processMetrics } from "./process-metrics.ts";

/** What every metric of ours begins with. Node's own (`nodejs_`, `process_`) keep the names that dashboards know. */
export const METRIC_PREFIX = "mnemosync_";

/** Upper bounds, in seconds, of calls that take from half a millisecond to a minute. */
export const CALL_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Metrics of one synchronizer, for its users. */
export interface Metrics {
  /** The metrics of this synchronizer alone, without Node's: `Registry.merge` of prom-client adds them to your own. */
  readonly registry: Registry;
  /** The value of the header `content-type` for `text()`. */
  readonly contentType: string;
  /** All metrics in Prometheus' text format, Node's included. Waits a second at most for a store, then shows old values. */
  text(): Promise<string>;
}

/**
 * Makes the metrics of one synchronizer. Each room declares its own with it. A room sets its counters whose labels are
 * known to 0, so that the first event shows as an increase.
 */
export class MetricBase implements Metrics {
  readonly registry = new Registry();
  #refresh: () => Promise<void> = async () => undefined;

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    return await Registry.merge([this.registry, processMetrics()]).metrics();
  }

  /** `refresh` is awaited before gauges and counters are shown. It must not reject, and must end in time. */
  beforeScrape(refresh: () => Promise<void>): void {
    this.#refresh = refresh;
  }

  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
    // The refresh counts too: it may check the stores' health.
    return new Counter({ ...this.#named(name, help, labelNames), collect: () => this.#refresh() });
  }

  gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Gauge<Label> {
    return new Gauge({ ...this.#named(name, help, labelNames), collect: () => this.#refresh() });
  }

  /** @param buckets upper bounds, ascending. */
  histogram<Label extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram({ ...this.#named(name, help, labelNames), buckets: [...buckets] });
  }

  #named<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    return { name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers: [this.registry] };
  }
}

/** Runs `work` and tells `done` the seconds that it took, whether it succeeds or not. */
export async function timed<T>(work: () => Promise<T>, done: (seconds: number) => void): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    done((performance.now() - startedAt) / 1_000);
  }
}
