import type { MetricBase } from "../runtime/metric-base.ts";

/** Metrics of erasures. */
export class EraseMetrics {
  readonly #erasures;
  readonly #memories;

  constructor(base: MetricBase) {
    this.#erasures = base.counter("erasures_total", "Erasures that this node has removed from the ledger");
    this.#memories = base.counter("erased_memories_total", "Memories of those erasures");
    this.#erasures.inc(0);
    this.#memories.inc(0);
  }

  erased(memories: number): void {
    this.#erasures.inc();
    this.#memories.inc(memories);
  }
}
