import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { afterAll, beforeAll, inject } from "vitest";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { type EmbeddedRedisOptions, startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import {
  type ConnectOptions,
  FaissProjection,
  type MemoryInput,
  type MemorySynchronizer,
  type SyncOutcome,
} from "../../src/index.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import type { Metric } from "../../src/stores/faiss/protocol/metric.ts";
import { connectWithHooks, type Hooks, withClientsAndHooks } from "../../src/synchronizer/with-hooks.ts";
import { feedShown } from "./feed-shown.ts";
import { sampleMemories, sampleMemory } from "./memories.ts";
import { postgresUrl } from "./services.ts";
import { createTestDatabase, type TestDatabase } from "./template-database.ts";

interface FaissSettings {
  dimension?: number;
  metric?: Metric;
  model?: string;
}

export interface WorldOptions {
  /**
   * `connect`: the synchronizer opens everything itself. `own`: it is given clients and an index, which tests can then
   * reach behind its back (`world.index`).
   * @default "connect"
   */
  clients?: "connect" | "own";
  /** False: no vector index, which saves its start of half a second. @default dimension 8, cosine */
  faiss?: FaissSettings | false;
  /** False: the synchronizer has no Redis. The world's own client stays. */
  redis?: boolean;
  /** A Redis of this world's own, which may be stopped or reconfigured. @default the one that all share */
  ownRedis?: EmbeddedRedisOptions | boolean;
  /** Options of the synchronizer beside the stores. */
  settings?: Partial<Omit<ConnectOptions, "postgresUrl" | "redisUrl" | "faiss">> & Hooks;
}

/** Everything of a world that can differ after something happened, by the stores' own account. */
export interface Footprint {
  /** `namespace/id@version`, a `†` behind those that are deleted. */
  readonly ledger: string[];
  readonly documents: number;
  readonly history: number;
  /** Committed or published ones. */
  readonly transactions: number;
  readonly queue: number;
  /** Key and version of each entry, all keys of the prefix but those of `prepare`. */
  readonly redis: string[];
  /** Null without an index. */
  readonly vectors: number | null;
}

/** A store that is slow on a busy machine is not one that is away. */
const PATIENT = { prepareTimeoutMs: 10_000, cacheTimeoutMs: 10_000 };

/** A synchronizer on real stores that nobody else uses, and raw clients for looking and injecting behind its back. */
export class World {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix = `test-${randomBytes(6).toString("hex")}`;
  readonly sql: postgres.Sql;
  readonly redis: Redis;
  readonly redisServer: EmbeddedServer | null;
  /** Folder of the vector index. */
  readonly directory: string;
  readonly dimension: number;
  #sync: MemorySynchronizer | null = null;
  #index: FaissProjection | null = null;
  readonly #options: WorldOptions;
  readonly #database: TestDatabase;
  readonly #ownClosers: (() => Promise<unknown>)[] = [];

  private constructor(
    options: WorldOptions,
    parts: { database: TestDatabase; redisUrl: string; redisServer: EmbeddedServer | null; directory: string },
  ) {
    this.#options = options;
    this.#database = parts.database;
    this.databaseUrl = parts.database.url;
    this.redisUrl = parts.redisUrl;
    this.redisServer = parts.redisServer;
    this.directory = parts.directory;
    this.dimension = (options.faiss !== false && options.faiss?.dimension) || 8;
    this.sql = postgres(this.databaseUrl, { max: 4, onnotice: () => undefined });
    this.redis = new Redis(this.redisUrl, { retryStrategy: () => 50 });
    this.redis.on("error", () => undefined); // Of tests that stop the server.
  }

  /** @internal Through `openWorld` or `sharedWorld`. */
  static async create(options: WorldOptions): Promise<World> {
    const { ownRedis = false } = options;
    const [database, redisServer, directory] = await Promise.all([
      createTestDatabase(postgresUrl()),
      ownRedis === false ? null : startEmbeddedRedis(ownRedis === true ? {} : ownRedis),
      mkdtemp(join(tmpdir(), "mnemosync-world-")),
    ]);
    const redisUrl = redisServer?.url ?? inject("redisUrl");
    const world = new World(options, { database, redisServer, redisUrl, directory });
    try {
      await world.connect();
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  get sync(): MemorySynchronizer {
    if (this.#sync === null) throw new Error("the world's synchronizer is closed");
    return this.#sync;
  }

  /** The vector index itself. Only with `clients: "own"`. */
  get index(): FaissProjection {
    if (this.#index === null) throw new Error('the index can be reached in a world with clients: "own" only');
    return this.#index;
  }

  /** The options that a synchronizer of this world is connected with. */
  get connectOptions(): ConnectOptions & Hooks {
    const faiss = this.#faiss;
    return {
      postgresUrl: this.databaseUrl,
      redisUrl: this.#options.redis === false ? "none" : this.redisUrl,
      redisPrefix: this.prefix,
      // Those that are used, not the ten that a service keeps open: each is a process of the server's.
      postgresConnectionsMin: 0,
      ...PATIENT,
      ...(faiss && { faiss }),
      ...this.#options.settings,
    };
  }

  /** Opens the synchronizer anew on what the stores hold. */
  async connect(): Promise<MemorySynchronizer> {
    this.#sync =
      this.#options.clients === "own" ? await this.#withOwnClients() : await connectWithHooks(this.connectOptions);
    return this.#sync;
  }

  /** Closes the synchronizer in good order. */
  async disconnect(): Promise<void> {
    const sync = this.#sync;
    this.#sync = null;
    await sync?.close();
    await this.#index?.close({ snapshot: true });
    this.#index = null;
    for (const close of this.#ownClosers.splice(0)) await close();
  }

  async restart(): Promise<MemorySynchronizer> {
    await this.disconnect();
    return await this.connect();
  }

  /** Memory number `number` as input: the same one every time. */
  memory(number: number, fields: Partial<MemoryInput> = {}): MemoryInput {
    return sampleMemory(number, this.dimension, fields);
  }

  memories(count: number, start = 0): MemoryInput[] {
    return sampleMemories(count, this.dimension, start);
  }

  /** Writes memories and makes sure that each of them arrived everywhere, is on its way no more, and is shown by the feed. */
  async fill(count: number, start = 0): Promise<SyncOutcome[]> {
    const outcomes = await this.sync.syncBatch(this.memories(count, start));
    const other = outcomes.find(({ status }) => status !== "synced");
    if (other !== undefined) throw new Error(`filling the world: ${other.memoryId} is ${other.status}: ${other.error}`);
    await this.untilMarked();
    await feedShown(this);
    return outcomes;
  }

  /**
   * Until the writes so far are marked: before that a check takes what a store lacks of them for no drift and no miss. What is
   * older is not on its way any more: a mark that failed is not tried again.
   */
  async untilMarked(): Promise<void> {
    await pollUntil("the writes to be marked", 60_000, async () => {
      const unmarked = await this.sql`
        select 1 from mnemosync.sync_transactions
        where state = 'committed' and created_at > clock_timestamp() - interval '5 seconds' limit 1`;
      return unmarked.length === 0;
    });
  }

  /** Writes one memory through `syncMemory`. */
  async put(input: MemoryInput, options = {}): Promise<SyncOutcome> {
    const { memoryId, ...fields } = input;
    return await this.sync.syncMemory(memoryId, fields, options);
  }

  redisKey(memoryId: string, namespace = "default"): string {
    return `${this.prefix}:memory:${namespace}:${memoryId}`;
  }

  /** All keys of this world, sorted. */
  async redisKeys(): Promise<string[]> {
    const keys = new Set<string>();
    for await (const page of this.redis.scanStream({ match: `${this.prefix}:*`, count: 1_000 })) {
      for (const key of page as string[]) {
        const isOwn = key === `${this.prefix}:owner` || key.startsWith(`${this.prefix}:prepare:`);
        if (!isOwn) keys.add(key);
      }
    }
    return [...keys].sort();
  }

  /** What every store holds, to compare with what it holds later. */
  async footprint(): Promise<Footprint> {
    const [ledger, [counts], keys, status] = await Promise.all([
      this.sql<{ line: string }[]>`
        select namespace || '/' || memory_id || '@' || version || case when deleted_at is null then '' else '†' end as line
        from mnemosync.memory_versions order by 1`,
      this.sql<{ documents: number; history: number; transactions: number; queue: number }[]>`
        select (select count(*) from mnemosync.memories)::int as documents,
               (select count(*) from mnemosync.memory_history)::int as history,
               (select count(*) from mnemosync.sync_transactions
                where state <> 'rolled_back' and memory_ids <> '{}')::int as transactions,
               (select count(*) from mnemosync.sync_queue)::int as queue`,
      this.redisKeys(),
      this.sync.status(),
    ]);
    const versions = await Promise.all(keys.map((key) => this.redis.hget(key, "version")));
    return {
      ledger: ledger.map(({ line }) => line),
      ...counts!,
      redis: keys.map((key, position) => `${key}@${versions[position]}`),
      vectors: status.stores.faiss?.memories ?? null,
    };
  }

  async close(): Promise<void> {
    try {
      await this.disconnect();
    } finally {
      if (this.redisServer === null) {
        const keys = await this.redis.keys(`${this.prefix}:*`);
        if (keys.length > 0) await this.redis.unlink(keys);
      }
      this.redis.disconnect();
      await Promise.all([
        this.sql.end({ timeout: 1 }).then(() => this.#database.drop()),
        this.redisServer?.close(),
        rm(this.directory, { recursive: true, force: true }),
      ]);
    }
  }

  get #faiss(): (FaissSettings & { directory: string; dimension: number }) | null {
    const { faiss = {} } = this.#options;
    return faiss === false ? null : { ...faiss, directory: this.directory, dimension: this.dimension };
  }

  async #withOwnClients(): Promise<MemorySynchronizer> {
    const { onIndexProgress: _, ...settings } = this.#options.settings ?? {};
    const sql = postgres(this.databaseUrl, { max: 10, onnotice: () => undefined });
    const redis = new Redis(this.redisUrl, { retryStrategy: () => 50 });
    redis.on("error", () => undefined);
    const pool = new PostgresPool(this.databaseUrl, { max: 2 });
    this.#ownClosers.push(
      async () => redis.disconnect(),
      () => sql.end({ timeout: 1 }),
      () => pool.close(),
    );
    const faiss = this.#faiss;
    if (faiss !== null) {
      const source = new Ledger(pool, { nodeId: "index" });
      // A host that a test killed is to be back soon.
      const options = { ...faiss, hostBackoffMaxMs: 100 };
      this.#index = await FaissProjection.open(options, { source }, AbortSignal.timeout(90_000));
    }
    return await withClientsAndHooks(
      { redis, sql, vectorIndex: this.#index ?? undefined },
      { redisPrefix: this.prefix, ...PATIENT, ...(faiss && { faiss }), ...settings },
    );
  }
}

/** A world for one test; it is gone when the test has ended, however it ended. */
export async function openWorld(
  t: { onTestFinished: (finish: () => Promise<void>) => void },
  options: WorldOptions = {},
): Promise<World> {
  const world = await World.create(options);
  t.onTestFinished(() => world.close());
  return world;
}

/** A world that all tests of a file (or of a `describe`) share. Its tests use memories of their own. */
export function sharedWorld(options: WorldOptions = {}): { readonly current: World } {
  let world: World | null = null;
  beforeAll(async () => {
    world = await World.create(options);
  });
  afterAll(async () => {
    await world?.close();
  });
  return {
    get current() {
      if (world === null) throw new Error("the shared world opens before the first test, not earlier");
      return world;
    },
  };
}
