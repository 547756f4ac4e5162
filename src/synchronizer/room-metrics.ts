import { ConnectorMetrics } from "../connectors/hosted/metrics.ts";
import { ConsistencyMetrics } from "../consistency/metrics.ts";
import type { StoreId } from "../domain/store-id.ts";
import { EraseMetrics } from "../erase/metrics.ts";
import { HubMetrics } from "../hub/metrics.ts";
import { ReadMetrics } from "../read/metrics.ts";
import { MergedReadMetrics } from "../replica/merged/metrics.ts";
import { ReplicaMetrics } from "../replica/metrics.ts";
import { HealthMetrics } from "../runtime/health-metrics.ts";
import { MetricBase } from "../runtime/metric-base.ts";
import { WebhookMetrics } from "../webhooks/metrics.ts";
import { WriteMetrics } from "../write/metrics.ts";

/** The metrics of one synchronizer, by the room that declares them. `observe` adds those that are read at a scrape. */
export interface RoomMetrics {
  readonly base: MetricBase;
  readonly write: WriteMetrics;
  readonly read: ReadMetrics;
  readonly consistency: ConsistencyMetrics;
  readonly erase: EraseMetrics;
  readonly health: HealthMetrics;
  readonly webhooks: WebhookMetrics;
  readonly hub: HubMetrics;
  readonly replica: ReplicaMetrics;
  readonly mergedReads: MergedReadMetrics;
  readonly connectors: ConnectorMetrics;
}

/** @param stores ids of the stores, the ledger among them. */
export function roomMetrics(stores: readonly StoreId[]): RoomMetrics {
  const base = new MetricBase();
  return {
    base,
    write: new WriteMetrics(base),
    read: new ReadMetrics(base),
    consistency: new ConsistencyMetrics(base, stores),
    erase: new EraseMetrics(base),
    health: new HealthMetrics(base, stores),
    webhooks: new WebhookMetrics(base),
    hub: new HubMetrics(base),
    replica: new ReplicaMetrics(base),
    mergedReads: new MergedReadMetrics(base),
    connectors: new ConnectorMetrics(base),
  };
}
