import type { EffectiveOptions } from "../config/options.ts";
import { MemoryValidator } from "../domain/schema.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Embedder } from "../embed/embedder.ts";
import { Feed } from "../feed/feed.ts";
import { FeedSignal } from "../feed/feed-signal.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { PastLedger } from "../ledger/past-ledger.ts";
import { DisprovedEntries } from "../read/disproved-entries.ts";
import { VersionFloors } from "../read/version-floors.ts";
import type { ReplicaConnection } from "../replica/connection.ts";
import type { HealthMonitor } from "../runtime/health-monitor.ts";
import type { Log } from "../runtime/log.ts";
import { newUlid } from "../runtime/ulid.ts";
import { guardedStore } from "../stores/guarded-store.ts";
import type { Projection } from "../stores/projection.ts";
import { StoreRegistry } from "../stores/registry.ts";
import { DeploymentStores } from "../write/deployment-stores.ts";
import { StoreGate } from "../write/store-gate.ts";
import { StoreStandings } from "../write/store-standings.ts";
import { type Connections, changeSource } from "./connections.ts";
import { createMonitors } from "./monitors.ts";
import { type NodeFollower, nodeFollowers } from "./node-followers.ts";
import type { Notifications } from "./notifications.ts";
import { type RoomMetrics, roomMetrics } from "./room-metrics.ts";

/** What every room of one node works with. */
export interface Foundation {
  readonly options: EffectiveOptions;
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  /** Whether the ledger went back. */
  readonly past: PastLedger;
  readonly stores: StoreRegistry;
  readonly deployment: DeploymentStores;
  /** Whether shared stores are copies of this ledger, and as new as when they were compared last. */
  readonly standings: StoreStandings;
  /** One per store, the ledger included. */
  readonly monitors: ReadonlyMap<StoreId, HealthMonitor>;
  /** One per projection, in the order of reports. */
  readonly gates: readonly StoreGate[];
  gateOf(projection: Projection | null): StoreGate | null;
  readonly validator: MemoryValidator;
  readonly embedder: Embedder | null;
  /** Connections to the replica; null: there is none. */
  readonly replica: ReplicaConnection | null;
  /** Names this process. */
  readonly holder: string;
  /** Newest versions that this node wrote or read: a cache that is behind is not believed. */
  readonly floors: VersionFloors;
  /** Entries of the cache that the ledger never gave out: reads pass over them. */
  readonly disproved: DisprovedEntries;
  readonly feedSignal: FeedSignal;
  readonly feed: Feed;
  /** One per store of this node that keeps no cursor of its own. */
  readonly followers: readonly NodeFollower[];
  readonly metrics: RoomMetrics;
  readonly notifications: Notifications;
  readonly log: Log;
}

export function layFoundation(options: EffectiveOptions, connections: Connections): Foundation {
  const { postgres, ledger, past, projections, embedder, notifications, replica } = connections;
  const { log } = notifications;
  const standings = new StoreStandings({ past, projections, log, proofAgeMaxMs: options.syncIntervalMs });
  const stores = new StoreRegistry(projections.map((store) => guardedStore(store, standings.guardOf(store))));
  const metrics = roomMetrics(stores.ids);
  const monitors = createMonitors(options, connections, stores, metrics.health);
  const gates = stores.projections.map((projection) => {
    const refusal = () => standings.refusalOf(projection);
    return new StoreGate(projection, { ...gateOptions(options), refusal }, monitors.get(projection.id));
  });
  const model = stores.vectorShape.model ?? embedder?.model;
  const shape = { ...stores.vectorShape, ...(model && { model }) };
  const feedSignal = new FeedSignal(postgres, log);
  const feed = new Feed({ postgres, news: feedSignal, callTimeoutMs: options.callTimeoutMs, log });
  const holder = `${ledger.nodeId}/${process.pid}/${newUlid()}`;
  const { publishTimeoutMs } = options;
  const source = changeSource(ledger, past);
  return {
    options,
    postgres,
    ledger,
    past,
    standings,
    stores,
    deployment: new DeploymentStores({ ledger, postgres, own: stores, holder, noteTtlMs: noteTtlMs(options) }),
    monitors,
    gates,
    gateOf: (projection) => gates.find(({ target }) => target === projection) ?? null,
    validator: new MemoryValidator(shape, options),
    embedder,
    replica,
    holder,
    floors: new VersionFloors(),
    disproved: new DisprovedEntries(),
    feedSignal,
    feed,
    followers: nodeFollowers(stores.projections, {
      ledger,
      source,
      cursors: feed.cursors,
      holder,
      publishTimeoutMs,
      log,
    }),
    metrics,
    notifications,
    log,
  };
}

export function gateOptions(options: EffectiveOptions): ConstructorParameters<typeof StoreGate>[1] {
  return {
    failuresMax: options.storeFailuresMax,
    probeIntervalMs: options.storeProbeIntervalMs,
    probeTimeoutMs: options.storeProbeTimeoutMs,
  };
}

/** Milliseconds for which a note that a process runs its stores counts: some passes may fail, or take long. */
function noteTtlMs({ syncIntervalMs }: EffectiveOptions): number {
  return Math.max(120_000, 4 * syncIntervalMs);
}
