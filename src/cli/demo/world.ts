import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import postgres from "postgres";
import { Lifeline } from "../../dev/lifeline.ts";
import { openServices, type Services } from "../../dev/services.ts";
import { BorrowedPostgres } from "../../drivers/postgres/borrowed-postgres.ts";
import { FaissProjection, HashingEmbedder, type Log, MemorySynchronizer } from "../../index.ts";
import { Ledger } from "../../ledger/ledger.ts";
import { closeAll } from "../../runtime/close-all.ts";

/** The stores and clients of the demonstration. Database, keys and folder are its own, also on servers of the user. */
export interface DemoWorld {
  readonly source: Services["source"];
  readonly sync: MemorySynchronizer;
  readonly ledger: Ledger;
  /** The synchronizer's index itself, for changing it behind the synchronizer's back. */
  readonly vectorIndex: FaissProjection;
  /** A client of which the synchronizer knows nothing. */
  readonly redis: Redis;
  readonly sql: postgres.Sql;
  /** What every Redis key begins with. */
  readonly prefix: string;
  /** Stops and removes everything. Safe twice. */
  close(): Promise<void>;
}

export interface DemoWorldOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Whether the consistency loop, once it is started, repairs what it finds. */
  readonly repairsByItself: boolean;
  say(line: string): void;
}

const NODE_ID = "demo";
const DIMENSION = 384;

/** Starts the servers (or uses those of the environment), with a database, a key prefix and an index folder of its own. */
export async function openDemoWorld(options: DemoWorldOptions): Promise<DemoWorld> {
  const { environment, log, signal, repairsByItself, say } = options;
  const closers: (() => Promise<unknown>)[] = [];
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= closeAll(closers);
    return closed;
  };
  try {
    const folder = new Lifeline("demo"); // Goes with this process, however it ends.
    closers.push(() => folder.close());
    const services = await openServices({ environment, log: say });
    closers.push(() => services.close());
    signal.throwIfAborted();
    const name = `mnemosync_demo_${randomBytes(4).toString("hex")}`;
    const sql = await ownDatabase(services.postgresUrl, name, closers);
    const redis = await ownKeys(services.redisUrl, name, closers);
    const ownRedis = await connected(redis.duplicate(), closers);
    const ledger = new Ledger(new BorrowedPostgres(sql), { nodeId: NODE_ID });
    await ledger.migrate(signal);
    const embedder = new HashingEmbedder({ dimension: DIMENSION });
    const faiss = { directory: folder.folder, dimension: DIMENSION };
    const vectorIndex = await FaissProjection.open(
      { ...faiss, model: embedder.model },
      { source: ledger, log },
      signal,
    );
    closers.push(() => vectorIndex.close());
    const own = { redisPrefix: name, nodeId: NODE_ID, faiss, embedder, log };
    const kinds = repairsByItself ? {} : { repairKinds: [] };
    const clients = { redis: ownRedis, sql, vectorIndex };
    const sync = await MemorySynchronizer.withClients(clients, { ...own, ...kinds }, { signal });
    closers.push(() => sync.close());
    return { source: services.source, sync, ledger, vectorIndex, redis, sql, prefix: name, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A new database on the server, dropped at the end: the server may be in use, with memories in it. */
async function ownDatabase(url: string, name: string, closers: (() => Promise<unknown>)[]): Promise<postgres.Sql> {
  const administrator = postgres(url, { max: 1, onnotice: () => undefined });
  closers.push(() => administrator.end({ timeout: 2 }));
  await administrator.unsafe(`create database ${name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`);
  closers.push(() => administrator.unsafe(`drop database if exists ${name} with (force)`));
  const own = new URL(url);
  own.pathname = `/${name}`;
  const sql = postgres(own.href, { max: 10, onnotice: () => undefined });
  closers.push(() => sql.end({ timeout: 2 }));
  return sql;
}

/** A client, and the keys under `prefix` removed at the end. */
async function ownKeys(url: string, prefix: string, closers: (() => Promise<unknown>)[]): Promise<Redis> {
  const redis = await connected(new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 }), closers);
  closers.push(async () => {
    for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1_000 })) {
      if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
    }
  });
  return redis;
}

async function connected(redis: Redis, closers: (() => Promise<unknown>)[]): Promise<Redis> {
  redis.on("error", () => undefined); // Commands report it as well.
  closers.push(async () => redis.disconnect());
  if (redis.status === "wait") await redis.connect();
  return redis;
}
