import { Redis } from "ioredis";
import postgres from "postgres";
import { checksumOf } from "../../src/domain/checksum.ts";
import { encodeMemory } from "../../src/domain/memory.ts";
import type { BenchContext } from "../harness/scenario.ts";
import type { BenchMemory } from "./dataset.ts";
import { createLog, MemorySynchronizer, type Options, type Synchronizer, type SyncOutcome } from "./product.ts";
import { untilQuiet } from "./quiet.ts";
import { verify } from "./report.ts";

export type OurSettings = Partial<Omit<Options, "postgresUrl" | "faiss">> & {
  readonly dimension: number;
  readonly snapshotIntervalMs?: number;
};

/** Redis keys of a scenario begin with it. */
export const PREFIX = "bench";

/** A synchronizer on empty stores, and clients of our own to look behind its back. */
export class OurStores {
  readonly dimension: number;
  readonly postgresUrl: string;
  readonly sql: postgres.Sql;
  readonly redis: Redis;
  readonly #options: Options;
  #sync: Synchronizer;

  private constructor(options: Options, dimension: number, sync: Synchronizer) {
    this.#options = options;
    this.dimension = dimension;
    this.postgresUrl = options.postgresUrl;
    this.sql = postgres(options.postgresUrl, { max: 2, onnotice: () => undefined });
    this.redis = new Redis(options.redisUrl, { retryStrategy: () => 50 });
    this.redis.on("error", () => undefined); // Of scenarios that stop the server.
    this.#sync = sync;
  }

  /** With chunks of 500, and everything else as it comes, unless `settings` says otherwise. */
  static async open(context: BenchContext, settings: OurSettings): Promise<OurStores> {
    const { dimension, snapshotIntervalMs, ...others } = settings;
    const [postgresUrl, directory] = await Promise.all([context.newDatabase(), context.newDirectory()]);
    const options: Options = {
      postgresUrl,
      redisUrl: context.redisUrl,
      redisPrefix: PREFIX,
      batchSize: 500,
      faiss: { directory, dimension, ...(snapshotIntervalMs !== undefined && { snapshotIntervalMs }) },
      ...others,
    };
    return new OurStores(options, dimension, await connect(options));
  }

  /** With which it is connected. */
  get options(): Options {
    return this.#options;
  }

  get sync(): Synchronizer {
    return this.#sync;
  }

  /** Closes the synchronizer in good order. Only `connect` may come next. */
  async disconnect(): Promise<void> {
    await this.#sync.close();
  }

  /** Opens it anew on what the stores hold. */
  async connect(): Promise<void> {
    this.#sync = await connect(this.#options);
  }

  async reopen(): Promise<void> {
    await this.disconnect();
    await this.connect();
  }

  /** Before each turn of anybody: what was written is on disk, and the servers have come to rest. */
  readonly settle = async (): Promise<void> => {
    await this.sql.unsafe("checkpoint");
    await untilQuiet();
  };

  /** Ends them, and empties Redis for the next ones of the scenario. */
  async close(): Promise<void> {
    await this.#sync.close();
    if (this.redis.status === "ready") await this.redis.flushall();
    this.redis.disconnect();
    await this.sql.end({ timeout: 5 });
  }

  /** Every store counts `count` memories by its own account. */
  async verifyCount(count: number): Promise<void> {
    const { stores } = await this.#sync.status();
    for (const [store, { memories }] of Object.entries(stores)) {
      verify(memories === count, `${store} holds ${memories} memories, not ${count}`);
    }
  }

  /** Each of these is in every store, at that version, with the bytes that were written. */
  async verifyHeld(memories: readonly BenchMemory[], version: number): Promise<void> {
    for (const memory of memories) {
      const { memoryId, embedding } = memory;
      const { checksum } = encoded(memory);
      const [row] = await this.sql<{ version: string; document: string; embedding: Buffer }[]>`
        select version, document::text as document, embedding
        from mnemosync.memory_versions join mnemosync.memory_bodies using (namespace, memory_id, version)
        where namespace = 'default' and memory_id = ${memoryId}`;
      verify(Number(row?.version) === version, `${memoryId} is at version ${row?.version} in PostgreSQL`);
      verify(checksumOf(row?.document ?? "", row?.embedding ?? null) === checksum, `${memoryId} differs in PostgreSQL`);
      const held = await this.redis.hgetallBuffer(`${PREFIX}:memory:default:${memoryId}`);
      verify(String(held.version) === String(version), `${memoryId} is at version ${held.version} in Redis`);
      verify(checksumOf(held.data ?? "", held.embedding ?? null) === checksum, `${memoryId} differs in Redis`);
      const [best] = await this.#sync.search(embedding, { k: 1 });
      verify(best?.memory.memoryId === memoryId, `a search for ${memoryId} finds ${best?.memory.memoryId}`);
      verify(best.memory.version === version && best.score > 0.999, `${memoryId} differs in FAISS`);
    }
  }
}

export function verifyOutcomes(outcomes: readonly SyncOutcome[], count: number, status: SyncOutcome["status"]): void {
  verify(outcomes.length === count, `${outcomes.length} outcomes of ${count} memories`);
  const other = outcomes.find((outcome) => outcome.status !== status);
  verify(other === undefined, `${other?.memoryId} is ${other?.status}, not ${status} (${other?.error?.message})`);
}

/** Every so-manieth, `size` of them at most. */
export function sampleOf<T>(items: readonly T[], size = 10): T[] {
  const step = Math.max(1, Math.floor(items.length / size));
  return items.filter((_, index) => index % step === 0).slice(0, size);
}

export function encoded(memory: BenchMemory): ReturnType<typeof encodeMemory> {
  const { memoryId, embedding, ...document } = memory;
  return encodeMemory({ namespace: "default", memoryId }, { ...document, privacy: "full" }, embedding);
}

function connect(options: Options): Promise<Synchronizer> {
  return MemorySynchronizer.connect({ ...options, log: createLog("error") });
}
