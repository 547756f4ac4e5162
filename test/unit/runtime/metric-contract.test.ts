import { expect, test } from "vitest";
import { edgeMetrics } from "../../../src/edge/metrics.ts";
import { allMetrics } from "../../support/all-metrics.ts";

/** Goal: dashboards and alerts of others keep working: names, types, labels and buckets of the metrics stay as they are. */

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const CONTRACT: readonly (readonly [string, string, readonly string[], (readonly number[])?])[] = [
  ["batch_size", "histogram", [], [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000]],
  ["conflicts_total", "counter", ["strategy", "outcome"]],
  ["connection_pool_size", "gauge", ["store", "state"]],
  ["connector_consecutive_failures", "gauge", ["connector"]],
  ["connector_dead_letters", "gauge", ["connector"]],
  ["connector_items_total", "counter", ["connector", "action"]],
  ["connector_lag_seconds", "gauge", ["connector"]],
  ["connector_media_bytes_total", "counter", ["connector"]],
  ["connector_media_total", "counter", ["connector"]],
  ["connector_records_waiting", "gauge", ["connector"]],
  ["connector_run_duration_seconds", "histogram", ["connector"], [1, 5, 15, 60, 300, 900, 3_600, 14_400]],
  ["connector_running", "gauge", ["connector"]],
  ["connector_runs_total", "counter", ["connector", "outcome"]],
  [
    "consistency_check_duration_seconds",
    "histogram",
    ["scope"],
    [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600],
  ],
  ["consistency_errors_total", "counter", ["store", "kind"]],
  ["consistency_last_clean_timestamp_seconds", "gauge", []],
  ["erased_memories_total", "counter", []],
  ["erasures_total", "counter", []],
  ["faiss_vectors", "gauge", ["namespace", "state"]],
  ["feed_horizon_age_seconds", "gauge", []],
  ["health_checks_total", "counter", ["store", "outcome"]],
  ["hub_call_seconds", "histogram", ["call"], SECONDS],
  ["hub_claims", "gauge", []],
  ["hub_device_behind_seconds", "gauge", ["device"]],
  ["hub_devices", "gauge", ["state"]],
  ["hub_pushed_changes_total", "counter", ["answer"]],
  ["hub_told_changes_total", "counter", []],
  ["ledger_epochs", "gauge", []],
  ["mcp_call_duration_seconds", "histogram", ["call"], [...SECONDS, 300, 600]],
  ["mcp_calls_total", "counter", ["call", "outcome"]],
  ["mcp_sessions_open", "gauge", []],
  ["mcp_sessions_total", "counter", ["event"]],
  ["merged_read_timeouts_total", "counter", ["operation"]],
  ["merged_reads_total", "counter", ["operation", "primary", "replica"]],
  ["queue_depth", "gauge", ["store", "state"]],
  ["queue_oldest_age_seconds", "gauge", ["store"]],
  ["readings_age_seconds", "gauge", []],
  ["repairs_total", "counter", ["store", "kind", "outcome"]],
  ["replica_changes_total", "counter", []],
  ["replica_compared_rows_total", "counter", []],
  ["replica_dead_letters", "gauge", ["state"]],
  ["replica_lag_changes", "gauge", []],
  ["replica_lag_seconds", "gauge", []],
  ["replica_state", "gauge", ["state"]],
  ["replica_up", "gauge", []],
  ["search_duration_seconds", "histogram", [], SECONDS],
  ["store_lag_seconds", "gauge", ["store"]],
  ["store_up", "gauge", ["store"]],
  ["sync_duration_seconds", "histogram", ["operation"], SECONDS],
  ["sync_total", "counter", ["operation", "outcome"]],
  ["transactions_unpublished", "gauge", []],
  ["webhook_dead_letters", "gauge", ["subscription"]],
  ["webhook_deliveries_total", "counter", ["outcome"]],
  ["webhook_delivery_seconds", "histogram", [], SECONDS],
  ["webhook_events_pending", "gauge", []],
  ["webhook_lag_seconds", "gauge", ["subscription"]],
  ["webhook_subscriptions", "gauge", ["state"]],
];

const EDGE_CONTRACT: typeof CONTRACT = [
  ["edge_conflicts_pending", "gauge", []],
  ["edge_conflicts_total", "counter", ["policy", "resolution"]],
  ["edge_failures_total", "counter", ["code"]],
  ["edge_online", "gauge", []],
  ["edge_outbox_bytes", "gauge", []],
  ["edge_outbox_depth", "gauge", ["state"]],
  ["edge_outbox_oldest_age_seconds", "gauge", []],
  ["edge_paused", "gauge", []],
  ["edge_pull_lag_seconds", "gauge", []],
  ["edge_pulled_total", "counter", []],
  ["edge_push_lag_seconds", "gauge", []],
  ["edge_pushed_total", "counter", ["outcome"]],
];

test.each([
  ["the service", () => allMetrics().registry, CONTRACT],
  ["an edge", () => edgeMetrics(() => Promise.reject(new Error("no edge is open"))).base.registry, EDGE_CONTRACT],
] as const)(
  "each metric of %s has the name, the type, the labels and the buckets that others rely on",
  (_of, registry, contract) => {
    const metrics = registry().getMetricsAsArray() as unknown as {
      name: string;
      labelNames: string[];
      upperBounds?: number[];
      readonly constructor: { name: string };
    }[];
    const found = metrics.map(({ name, labelNames, upperBounds, constructor: made }) => {
      const kind = made.name.toLowerCase();
      return [name, kind, labelNames, ...(upperBounds === undefined ? [] : [upperBounds])];
    });
    const byName = (a: readonly unknown[], b: readonly unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
    expect(found.sort(byName)).toEqual(contract.map(([name, ...rest]) => [`mnemosync_${name}`, ...rest]));
  },
);
