import type { Log } from "../runtime/log.ts";
import type { MetricBase } from "../runtime/metric-base.ts";
import type { GaugeSource } from "../runtime/readings.ts";
import { REPLICATION_STATES, type ReplicationState } from "./events.ts";
import type { ReplicaReport } from "./report.ts";

/** Replication, of this node and of the replica as a whole. */
export class ReplicaMetrics implements GaugeSource {
  readonly #changes;
  readonly #compared;
  readonly #state;
  readonly #up;
  readonly #lagSeconds;
  readonly #lagChanges;
  readonly #letters;
  #source: { readonly report: (signal: AbortSignal) => Promise<ReplicaReport>; readonly log: Log } | null = null;

  constructor(base: MetricBase) {
    this.#changes = base.counter("replica_changes_total", "Versions that this node wrote to the replica");
    this.#compared = base.counter(
      "replica_compared_rows_total",
      "Rows of the replica that this node compared with the primary",
    );
    this.#state = base.gauge("replica_state", "Whether replication is in this state on this node", ["state"]);
    this.#up = base.gauge("replica_up", "Whether the replica answers this node: 1 or 0");
    this.#lagSeconds = base.gauge("replica_lag_seconds", "Age of the oldest change that the replica does not have");
    this.#lagChanges = base.gauge("replica_lag_changes", "Changes that the replica does not have, up to 100,000");
    this.#letters = base.gauge("replica_dead_letters", "Memories that the replica refused", ["state"]);
  }

  /** @param report what gauges are read from. */
  readFrom(report: (signal: AbortSignal) => Promise<ReplicaReport>, log: Log): void {
    this.#source = { report, log };
    this.entered("starting");
  }

  written(changes: number): void {
    this.#changes.inc(changes);
  }

  compared(rows: number): void {
    this.#compared.inc(rows);
  }

  entered(state: ReplicationState): void {
    for (const candidate of REPLICATION_STATES) this.#state.set({ state: candidate }, candidate === state ? 1 : 0);
  }

  async read(signal: AbortSignal): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    try {
      this.#set(await source.report(signal));
    } catch (error) {
      source.log.debug({ error: (error as Error).message }, "metrics.ledger_not_read");
    }
  }

  show(): void {} // What was read is shown as it is.

  #set({ isUp, lag, deadLetters }: ReplicaReport): void {
    this.#up.set(isUp ? 1 : 0);
    // Of a replica that is away the primary's hint tells the lag.
    if (lag !== null) {
      this.#lagSeconds.set(lag.seconds);
      this.#lagChanges.set(lag.changes);
    }
    if (deadLetters === null) return;
    this.#letters.set({ state: "waiting" }, deadLetters.waiting);
    this.#letters.set({ state: "dead" }, deadLetters.dead);
  }
}
