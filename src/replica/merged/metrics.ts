import { REPLICA_SOURCES, type ReadSources } from "../../read/read-sources.ts";
import type { MetricBase } from "../../runtime/metric-base.ts";

/** Reads that may merge both sides. */
export const MERGED_OPERATIONS = ["get", "getMany", "list", "count", "search", "history"] as const;
export type MergedOperation = (typeof MERGED_OPERATIONS)[number];

/** Metrics of reads that merge the primary and the replica. */
export class MergedReadMetrics {
  readonly #reads;
  readonly #timeouts;

  constructor(base: MetricBase) {
    this.#reads = base.counter(
      "merged_reads_total",
      "Reads that may merge the primary and the replica, by the sides that their answers stand on",
      ["operation", "primary", "replica"],
    );
    this.#timeouts = base.counter(
      "merged_read_timeouts_total",
      "Merged reads that were answered without the replica, since it took longer than replica.readTimeoutMs",
      ["operation"],
    );
    for (const operation of MERGED_OPERATIONS) {
      this.#timeouts.inc({ operation }, 0);
      for (const replica of REPLICA_SOURCES) this.#reads.inc({ operation, primary: "ok", replica }, 0);
      this.#reads.inc({ operation, primary: "unavailable", replica: "ok" }, 0);
    }
  }

  answered(operation: MergedOperation, { primary, replica }: ReadSources): void {
    this.#reads.inc({ operation, primary, replica });
  }

  timedOut(operation: MergedOperation): void {
    this.#timeouts.inc({ operation });
  }
}
