import { CALL_SECONDS, type MetricBase, timed } from "../runtime/metric-base.ts";

/** Metrics of reads. */
export class ReadMetrics {
  readonly #searchSeconds;

  constructor(base: MetricBase) {
    this.#searchSeconds = base.histogram("search_duration_seconds", "Duration of searches", CALL_SECONDS);
  }

  async searched<T>(work: () => Promise<T>): Promise<T> {
    return await timed(work, (seconds) => this.#searchSeconds.observe(seconds));
  }
}
