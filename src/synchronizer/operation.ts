import type { Connectors } from "../connectors/hosted/connectors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { HubService } from "../hub/hub-service.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { ReplicaOperations } from "../replica/replica-operations.ts";
import { closeAll } from "../runtime/close-all.ts";
import type { HealthMonitor, HealthReport } from "../runtime/health-monitor.ts";
import type { Metrics } from "../runtime/metric-base.ts";
import type { Services } from "../runtime/services.ts";
import type { Subscriptions } from "../webhooks/subscriptions.ts";
import type { Backlog } from "../write/backlog.ts";
import type { CallScope } from "./call-scope.ts";
import { type CapabilityNeeds, capabilitiesOf } from "./capabilities.ts";
import type { SearchReadiness } from "./search-readiness.ts";
import type { SharedStores } from "./shared-stores.ts";
import { readNamespacesStatus, readStatus, type Status, type StatusOptions, type StatusSources } from "./status.ts";

export interface OperationParts {
  readonly scope: CallScope;
  readonly nodeId: string;
  /** All background work of this node. */
  readonly services: Services;
  /** One per store. */
  readonly monitors: readonly HealthMonitor[];
  readonly needs: CapabilityNeeds;
  /** Null: nothing is ever embedded anew for this node's index. */
  readonly searchReadiness: Pick<SearchReadiness, "isComplete"> | null;
  readonly status: StatusSources;
  readonly backlog: Backlog;
  readonly jobs: Jobs;
  readonly subscriptions: Subscriptions;
  readonly hub: HubService;
  readonly replica: ReplicaOperations;
  readonly connectors: Connectors;
  readonly stores: SharedStores;
  readonly metrics: Metrics;
  /** Settles the writes that were accepted, and ends what holds connections. In order, after the services have stopped. */
  readonly settle: readonly (() => Promise<void>)[];
}

/** The façade's calls that run and watch a synchronizer. `MemorySynchronizer` documents them. */
export class Operation {
  readonly parts: OperationParts;
  readonly #disconnect: () => Promise<void>;
  #closing: Promise<void> | null = null;

  /** @param disconnect closes what was opened for this synchronizer. */
  constructor(parts: OperationParts, disconnect: () => Promise<void>) {
    this.parts = parts;
    this.#disconnect = disconnect;
  }

  start(): void {
    this.parts.scope.assertOpen();
    this.parts.services.start();
  }

  health(): Readonly<Record<StoreId, HealthReport>> {
    return Object.fromEntries(this.parts.monitors.map((monitor) => [monitor.store, monitor.report()]));
  }

  capabilities(): ReturnType<typeof capabilitiesOf> {
    const { needs, searchReadiness } = this.parts;
    const capabilities = capabilitiesOf(this.health(), needs);
    return { ...capabilities, search: capabilities.search && searchReadiness?.isComplete !== false };
  }

  async status({ namespaces, ...options }: StatusOptions): Promise<Status> {
    const { scope, status, services } = this.parts;
    return await scope.run("status", options, async (signal) =>
      namespaces === undefined
        ? { ...(await readStatus(status, signal)), services: services.status() }
        : { ...(await readNamespacesStatus(status, namespaces, signal)), services: {} },
    );
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const { scope, services, settle } = this.parts;
    scope.close();
    // `closeAll` begins with the last one.
    await closeAll([this.#disconnect, ...[...settle].reverse(), () => services.stop()]);
  }
}
