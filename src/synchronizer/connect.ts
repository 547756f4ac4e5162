import type { EffectiveOptions } from "../config/options.ts";
import { parseOptions } from "../config/parse.ts";
import { ConfigurationError } from "../domain/errors.ts";
import { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import { BorrowedPostgres } from "../drivers/postgres/borrowed-postgres.ts";
import type { RedisLink } from "../drivers/redis/redis-client.ts";
import { NO_REDIS } from "../drivers/settings.ts";
import { createEmbedder } from "../embed/create-embedder.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { ensureIndexes } from "../ledger/optional-indexes.ts";
import { PastLedger } from "../ledger/past-ledger.ts";
import { REPLICA_ID, type ReplicaConnection, replicaConnection } from "../replica/connection.ts";
import { closeAll } from "../runtime/close-all.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { FaissProjection } from "../stores/faiss/client/faiss-projection.ts";
import type { RecordRefused } from "../stores/faiss/client/host-follower.ts";
import type { FaissOptions } from "../stores/faiss/options.ts";
import { loadStores } from "../stores/load-stores.ts";
import type { Projection } from "../stores/projection.ts";
import { RedisProjection } from "../stores/redis/redis-projection.ts";
import { redisProjectionOptions } from "../stores/redis/settings.ts";
import { checkStore, StoreRegistry } from "../stores/registry.ts";
import { isStoreModule } from "../stores/settings.ts";
import { type Assembly, assemble } from "./assemble.ts";
import type { WriteHooks } from "./assemble-writing.ts";
import type { Clients, ConnectOptions, WithClientsOptions } from "./connect-options.ts";
import { changeSource, createLedger } from "./connections.ts";
import { Notifications } from "./notifications.ts";
import { tellVectorShape, warnOfMisfits } from "./vector-fit.ts";

/** A synchronizer's parts on open connections. */
export interface Opened {
  readonly assembly: Assembly;
  /** Closes what was opened, the newest first. */
  close(): Promise<void>;
}

/** @throws {ConfigurationError} with what to call instead: JavaScript can call the private constructor. */
export function assertOpened(opened: Opened | undefined): Opened {
  if (opened?.assembly !== undefined) return opened;
  const advice = "await MemorySynchronizer.connect(options) or MemorySynchronizer.withClients(clients, options)";
  throw new ConfigurationError(`MemorySynchronizer has no public constructor: ${advice}`);
}

/** Opens everything that the options name. On failure nothing stays open. */
export async function open(
  options: ConnectOptions,
  hooks: WriteHooks,
  signal: AbortSignal = new AbortController().signal,
): Promise<Opened> {
  const { embedder: ownEmbedder, stores = [], log: ownLog = silentLog, onIndexProgress, ...settings } = options;
  const notifications = new Notifications(ownLog);
  const { log } = notifications;
  const { effective, givenStores } = parse(settings, stores);
  const closers: (() => Promise<void>)[] = [];
  const until = new LinkedAbort(signal);
  try {
    const redisUrl = effective.redisUrl === NO_REDIS ? null : effective.redisUrl;
    const pools = new ConnectionPoolManager({ ...effective, redisUrl, log });
    closers.push(() => pools.close());
    const { postgres, redis } = pools;
    const past = new PastLedger(postgres, { callTimeoutMs: effective.callTimeoutMs, log });
    const ledger = createLedger(effective, postgres, past);
    // The index's process starts meanwhile: it takes as long as all the rest, on a core of its own.
    const migrated = pools.connect({ signal: until.signal }).then(() => ledger.migrate(until.signal));
    migrated.catch(() => undefined); // Reported below, or overtaken by another failure.
    closers.push(async () => {
      until.abort();
      await Promise.allSettled([migrated]);
    });
    const ownStores = await loadStores(effective.stores, { nodeId: ledger.nodeId, log, signal });
    closers.push(...ownStores.map((store) => async () => await store.close?.()));
    const { dimension, model: ownModel } = new StoreRegistry([...ownStores, ...givenStores]).vectorShape;
    const embedder = ownEmbedder ?? createEmbedder(effective.embedding, effective.faiss?.dimension ?? dimension);
    const model = effective.faiss?.model ?? ownModel ?? embedder?.model;
    const vectorIndex = await openIndex(effective, model, { ledger, past, migrated, log, onIndexProgress }, signal);
    await migrated;
    await ensureIndexes(postgres, effective.indexes, log, until.signal);
    if (vectorIndex !== null) closers.push(() => vectorIndex.close({ snapshot: true }));
    const projections: Projection[] = [
      ...(redis === null ? [] : [redisProjection(effective, redis, ledger.nodeId, true)]),
      ...(vectorIndex === null ? [] : [vectorIndex]),
      ...ownStores,
      ...givenStores,
    ];
    const replica = openReplica(effective, log);
    if (replica !== null) closers.push(() => replica.close());
    const assembly = assemble(
      effective,
      { postgres, ledger, past, pools, projections, embedder, replica, notifications },
      hooks,
    );
    await assembly.register(until.signal);
    await warnOfMisfits(postgres, projections, log, until.signal);
    await tellVectorShape(postgres, projections, until.signal);
    return { assembly, close: () => closeAll(closers) };
  } catch (error) {
    await closeAll(closers);
    throw error;
  } finally {
    until.release();
  }
}

/** Opens a synchronizer on clients of the caller's, who closes them. On failure no store that this opened stays open. */
export async function openWithClients(
  clients: Clients,
  options: WithClientsOptions,
  hooks: WriteHooks,
  signal: AbortSignal = new AbortController().signal,
): Promise<Opened> {
  const { embedder: ownEmbedder, stores = [], log: ownLog = silentLog, ...settings } = options;
  const notifications = new Notifications(ownLog);
  const { log } = notifications;
  const { effective, givenStores } = parse({ ...settings, ...OWN_URLS }, stores);
  const closers: (() => Promise<void>)[] = [];
  try {
    const postgres = new BorrowedPostgres(clients.sql);
    const past = new PastLedger(postgres, { callTimeoutMs: effective.callTimeoutMs, log });
    const ledger = createLedger(effective, postgres, past);
    await ledger.migrate(signal);
    await ensureIndexes(postgres, effective.indexes, log, signal);
    const ownStores = await loadStores(effective.stores, { nodeId: ledger.nodeId, log, signal });
    closers.push(...ownStores.map((store) => async () => await store.close?.()));
    const { redis, vectorIndex } = clients;
    const projections = [
      ...(redis === undefined ? [] : [redisProjection(effective, redis, ledger.nodeId, false)]),
      ...(vectorIndex === undefined ? [] : [vectorIndex]),
      ...ownStores,
      ...givenStores,
    ];
    const { dimension = effective.faiss?.dimension } = new StoreRegistry(projections).vectorShape;
    const embedder = ownEmbedder ?? createEmbedder(effective.embedding, dimension);
    const replica = openReplica(effective, log);
    if (replica !== null) closers.push(() => replica.close());
    const assembly = assemble(
      effective,
      { postgres, ledger, past, pools: null, projections, embedder, replica, notifications },
      hooks,
    );
    await assembly.register(signal);
    await warnOfMisfits(postgres, projections, log, signal);
    await tellVectorShape(postgres, projections, signal);
    return { assembly, close: () => closeAll(closers) };
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

function openReplica({ replica }: EffectiveOptions, log: Log): ReplicaConnection | null {
  return replicaConnection(replica, {
    onChanged: (from, to, reason) =>
      log[to === "healthy" ? "info" : "warn"]({ store: REPLICA_ID, from, to, reason }, "health.changed"),
  });
}

/** Stand where URLs are required and clients were given. */
const OWN_URLS = { postgresUrl: "postgres://own-client", redisUrl: "redis://own-client" };

/** @throws {ConfigurationError} */
function parse(
  settings: object,
  stores: NonNullable<ConnectOptions["stores"]>,
): { effective: EffectiveOptions; givenStores: readonly Projection[] } {
  const effective = parseOptions({ ...settings, stores: stores.filter(isStoreModule) });
  const givenStores = stores.filter((store): store is Projection => !isStoreModule(store));
  for (const store of givenStores) checkStore(store);
  return { effective, givenStores };
}

/**
 * Opens a vector index for `MemorySynchronizer.withClients`, on the caller's own client: brings the ledger's schema up to
 * date, and fills the index from it. The caller closes it, after the synchronizer.
 * @throws {ConfigurationError} {StoreUnavailableError}
 */
export async function openVectorIndex(
  own: { sql: Clients["sql"]; faiss: FaissOptions; log?: Log | undefined },
  call: { signal?: AbortSignal | undefined } = {},
): Promise<FaissProjection> {
  const { signal = new AbortController().signal } = call;
  const { faiss, log = silentLog } = own;
  const options = parseOptions(OWN_URLS);
  const postgres = new BorrowedPostgres(own.sql);
  const past = new PastLedger(postgres, { callTimeoutMs: options.callTimeoutMs, log });
  const ledger = createLedger(options, postgres, past);
  await ledger.migrate(signal);
  const source = changeSource(ledger, past);
  return await FaissProjection.open(faiss, { source, onRefused: buryFor(ledger), log }, signal);
}

/** Memories that the index refuses for good become dead letters of this node. */
function buryFor(ledger: Ledger): RecordRefused {
  return (store, keys, reason, signal) => ledger.bury({ store, nodeId: ledger.nodeId }, keys, reason, signal);
}

function redisProjection(
  options: EffectiveOptions,
  client: RedisLink,
  nodeId: string,
  ownsClient: boolean,
): RedisProjection {
  return new RedisProjection(client, {
    ...redisProjectionOptions(options),
    nodeId,
    ownsClient,
  });
}

async function openIndex(
  options: EffectiveOptions,
  model: string | undefined,
  parts: {
    ledger: Ledger;
    past: PastLedger;
    migrated: Promise<unknown>;
    log: Log;
    onIndexProgress: ConnectOptions["onIndexProgress"];
  },
  signal: AbortSignal,
): Promise<FaissProjection | null> {
  if (options.faiss === undefined) return null;
  const { model: _, ...settings } = options.faiss; // The embedder's, where none is named.
  const { ledger, past, migrated, log, onIndexProgress: onProgress } = parts;
  const index = { ...settings, ...(model && { model }), ...(onProgress && { onProgress }) };
  const dependencies = { source: changeSource(ledger, past), sourceReady: migrated, onRefused: buryFor(ledger), log };
  return await FaissProjection.open(index, dependencies, signal);
}
