import type { ServiceInsight } from "./inside/service-insight.ts";
import type { Liveness } from "./liveness.ts";

/** The service's memory after so many requests, in mebibytes, after forced collections. */
export interface MemoryReading {
  readonly sent: number;
  /** All that is resident, V8's heap and what it reserves, bytes outside of the heap, and buffers among these. */
  readonly rss: number;
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

const READINGS = 10;
/** Requests between two readings, at least: a short run is read at its end alone. */
const STEP_MIN = 2_000;
const MEBIBYTE = 1_048_576;

/** Reads the service's memory, ten times in a run. Collections hold the service up, so nothing else is measured. */
export class MemoryCourse {
  readonly readings: MemoryReading[] = [];
  readonly #insight: ServiceInsight;
  readonly #liveness: Liveness;

  constructor(insight: ServiceInsight, liveness: Liveness) {
    this.#insight = insight;
    this.#liveness = liveness;
  }

  /** Whether another tenth is over. */
  isDue(sent: number, requests: number): boolean {
    return sent >= Math.max(STEP_MIN, requests / READINGS) * (this.readings.length + 1);
  }

  async read(sent: number): Promise<MemoryReading> {
    const usage = await this.#liveness.unobserved(() => this.#insight.memory());
    const mebibytes = (name: "rss" | "heapUsed" | "heapTotal" | "external" | "arrayBuffers"): number =>
      Math.round(usage[name] / MEBIBYTE);
    const reading: MemoryReading = {
      sent,
      rss: mebibytes("rss"),
      heapUsed: mebibytes("heapUsed"),
      heapTotal: mebibytes("heapTotal"),
      external: mebibytes("external"),
      arrayBuffers: mebibytes("arrayBuffers"),
    };
    this.readings.push(reading);
    return reading;
  }
}
