import type { EffectiveOptions } from "../config/options.ts";
import { parseOptions } from "../config/parse.ts";
import { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import { BorrowedPostgres } from "../drivers/postgres/borrowed-postgres.ts";
import type { RedisLink } from "../drivers/redis/redis-client.ts";
import { NO_REDIS } from "../drivers/settings.ts";
import { createEmbedder } from "../embed/create-embedder.ts";
import { closeAll } from "../runtime/close-all.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { FaissProjection } from "../stores/faiss/client/faiss-projection.ts";
import type { FaissOptions } from "../stores/faiss/options.ts";
import { loadStores } from "../stores/load-stores.ts";
import type { Projection } from "../stores/projection.ts";
import { RedisProjection } from "../stores/redis/redis-projection.ts";
import { redisProjectionOptions } from "../stores/redis/settings.ts";
import { checkStore, StoreRegistry } from "../stores/registry.ts";
import { isStoreModule } from "../stores/settings.ts";
import { assemble, createLedger, type Parts } from "./assemble.ts";
import type { ConnectExtras, OwnClients } from "./calls.ts";

/** Parts that are connected, and what ends them. */
export interface Connected {
  readonly parts: Parts;
  /** Ends what was opened, the newest first. */
  close(): Promise<void>;
}

/** Opens everything that the options name. On failure nothing stays open. */
export async function connect(options: unknown, extras: ConnectExtras, signal: AbortSignal): Promise<Connected> {
  const { log = silentLog, onStep, onIndexProgress, stores = [] } = extras;
  const effective = parseOptions({ ...(options as object), stores: stores.filter(isStoreModule) });
  const givenStores = stores.filter((store): store is Projection => !isStoreModule(store));
  for (const store of givenStores) checkStore(store);
  const closers: (() => Promise<void>)[] = [];
  const until = new LinkedAbort(signal);
  try {
    const redisUrl = effective.redisUrl === NO_REDIS ? null : effective.redisUrl;
    const pools = new ConnectionPoolManager({ ...effective, redisUrl, log });
    closers.push(() => pools.close());
    const { postgres, redis } = pools;
    const ledger = createLedger(effective, postgres);
    // The index's process starts meanwhile: it takes as long as all the rest, on a core of its own.
    const migrated = pools.connect({ signal: until.signal }).then(() => ledger.migrate(until.signal));
    migrated.catch(() => undefined); // Told below, or overtaken by another failure.
    closers.push(async () => {
      until.abort();
      await Promise.allSettled([migrated]);
    });
    const context = { nodeId: ledger.nodeId, log, signal };
    const ownStores = await loadStores(effective.stores, context);
    closers.push(...ownStores.map((store) => async () => await store.close?.()));
    const { dimension, model: ownModel } = new StoreRegistry([...ownStores, ...givenStores]).vectorShape;
    const embedder = extras.embedder ?? createEmbedder(effective.embedding, effective.faiss?.dimension ?? dimension);
    const model = effective.faiss?.model ?? ownModel ?? embedder?.model;
    const vectorIndex = await openIndex(effective, model, { ledger, migrated, log, onIndexProgress }, signal);
    await migrated;
    if (vectorIndex !== null) closers.push(() => vectorIndex.close({ snapshot: true }));
    const projections: Projection[] = [
      ...(redis === null ? [] : [redisProjection(effective, redis, ledger.nodeId, true)]),
      ...(vectorIndex === null ? [] : [vectorIndex]),
      ...ownStores,
      ...givenStores,
    ];
    const connections = { postgres, ledger, pools, projections, embedder, log, onStep };
    const parts = assemble(effective, connections);
    await parts.deployment.register(until.signal);
    return { parts, close: () => closeAll(closers) };
  } catch (error) {
    await closeAll(closers);
    throw error;
  } finally {
    until.release();
  }
}

/** Parts on clients of the caller's, who ends them. */
export function borrow(own: OwnClients): Connected {
  const options = parseOptions({
    postgresUrl: "postgres://own-client",
    redisUrl: "redis://own-client",
    ...own.options,
  });
  const postgres = new BorrowedPostgres(own.sql);
  const ledger = createLedger(options, postgres);
  const projections = [
    ...(own.redis === undefined ? [] : [redisProjection(options, own.redis, ledger.nodeId, false)]),
    ...(own.vectorIndex === undefined ? [] : [own.vectorIndex]),
    ...(own.stores ?? []),
  ];
  const { dimension = options.faiss?.dimension } = new StoreRegistry(projections).vectorShape;
  const parts = assemble(options, {
    postgres,
    ledger,
    pools: null,
    projections,
    embedder: own.embedder ?? createEmbedder(options.embedding, dimension),
    log: own.log ?? silentLog,
    onStep: own.onStep,
  });
  return { parts, close: async () => undefined };
}

/**
 * Opens a vector index for `new MemorySynchronizer({ redis, sql, vectorIndex })`, on the caller's own client: brings the
 * ledger's schema up to date, and fills the index from it. Whoever opens it closes it, after the synchronizer.
 * @throws {ConfigurationError} {StoreUnavailableError}
 */
export async function openVectorIndex(
  own: { sql: OwnClients["sql"]; faiss: FaissOptions; log?: Log },
  call: { signal?: AbortSignal } = {},
): Promise<FaissProjection> {
  const { signal = new AbortController().signal } = call;
  const { faiss, log = silentLog } = own;
  const options = parseOptions({ postgresUrl: "postgres://own-client", redisUrl: "redis://own-client" });
  const ledger = createLedger(options, new BorrowedPostgres(own.sql));
  await ledger.migrate(signal);
  return await FaissProjection.open(faiss, { source: ledger, log }, signal);
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
    ledger: Parts["ledger"];
    migrated: Promise<unknown>;
    log: Log;
    onIndexProgress: ConnectExtras["onIndexProgress"];
  },
  signal: AbortSignal,
): Promise<FaissProjection | null> {
  if (options.faiss === undefined) return null;
  const { model: _, ...settings } = options.faiss; // The embedder's, where none is named.
  const { ledger, migrated, log, onIndexProgress: onProgress } = parts;
  const index = { ...settings, ...(model && { model }), ...(onProgress && { onProgress }) };
  return await FaissProjection.open(index, { source: ledger, sourceReady: migrated, log }, signal);
}
