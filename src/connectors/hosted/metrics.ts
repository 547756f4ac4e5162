import type { Log } from "../../runtime/log.ts";
import type { MetricBase } from "../../runtime/metric-base.ts";
import type { GaugeSource } from "../../runtime/readings.ts";
import type { RunCounts, RunRecord } from "../state/state.ts";
import { readGauges } from "./gauge-statements.ts";
import { callLedger, type LedgerAccess } from "./ledger-call.ts";

/** Actions that are counted by item. */
const ACTIONS = [
  "created",
  "updated",
  "unchanged",
  "deleted",
  "erased",
  "failed",
] as const satisfies readonly (keyof RunCounts)[];
const SECONDS = [1, 5, 15, 60, 300, 900, 3_600, 14_400];

interface MetricsSource extends LedgerAccess {
  readonly log: Log;
}

/** Runs of this node, and how the connectors of the deployment are. */
export class ConnectorMetrics implements GaugeSource {
  readonly #runs;
  readonly #items;
  readonly #media;
  readonly #mediaBytes;
  readonly #seconds;
  readonly #letters;
  readonly #failures;
  readonly #sinceSuccess;
  readonly #running;
  readonly #waiting;
  #source: MetricsSource | null = null;

  constructor(base: MetricBase) {
    const connector = ["connector"] as const;
    this.#runs = base.counter("connector_runs_total", "Runs of connectors that ended on this node", [
      "connector",
      "outcome",
    ]);
    this.#items = base.counter("connector_items_total", "Items that runs on this node dealt with", [
      "connector",
      "action",
    ]);
    this.#media = base.counter("connector_media_total", "Files of items that runs on this node fetched", connector);
    this.#mediaBytes = base.counter("connector_media_bytes_total", "Bytes of these files", connector);
    this.#seconds = base.histogram("connector_run_duration_seconds", "Duration of a run", SECONDS, ["connector"]);
    this.#letters = base.gauge(
      "connector_dead_letters",
      "Items that could not be stored, and texts that were not processed",
      connector,
    );
    this.#failures = base.gauge("connector_consecutive_failures", "Runs in a row that failed", connector);
    this.#sinceSuccess = base.gauge("connector_lag_seconds", "Time since a run ended well, or in part", connector);
    this.#running = base.gauge("connector_running", "Whether a run goes on: 1 or 0", connector);
    this.#waiting = base.gauge(
      "connector_records_waiting",
      "Memories whose texts are to be sent, or are on their way",
      connector,
    );
  }

  /** Has gauges read from the ledger. */
  readFrom(source: MetricsSource): void {
    this.#source = source;
  }

  ended(connector: string, run: RunRecord): void {
    this.#runs.inc({ connector, outcome: run.state });
    for (const action of ACTIONS)
      if (run.counts[action] > 0) this.#items.inc({ connector, action }, run.counts[action]);
    if (run.counts.media > 0) {
      this.#media.inc({ connector }, run.counts.media);
      this.#mediaBytes.inc({ connector }, run.counts.bytes);
    }
    this.#seconds.observe({ connector }, Math.max(0, (run.endedAt ?? run.startedAt) - run.startedAt) / 1_000);
  }

  async read(signal: AbortSignal): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    try {
      const rows = await callLedger(source, signal, readGauges);
      // A connector that was removed is shown no more.
      for (const gauge of [this.#letters, this.#failures, this.#sinceSuccess, this.#running, this.#waiting])
        gauge.reset();
      for (const { connector, letters, failures, sinceSuccess, isRunning, waiting } of rows) {
        this.#letters.set({ connector }, letters);
        this.#failures.set({ connector }, failures);
        if (sinceSuccess !== null) this.#sinceSuccess.set({ connector }, sinceSuccess);
        this.#running.set({ connector }, isRunning ? 1 : 0);
        this.#waiting.set({ connector }, waiting);
      }
    } catch (error) {
      source.log.debug({ error: (error as Error).message }, "metrics.ledger_not_read");
    }
  }

  show(): void {} // What was read is shown as it is.
}
