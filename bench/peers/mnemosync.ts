import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchMemory } from "../support/dataset.ts";
import {
  type Embedder,
  type MemoryInput,
  MemorySynchronizer,
  type Synchronizer,
  type SyncOutcome,
} from "../support/product.ts";
import type { Account, Contender, Place } from "./contender.ts";
import type { KnownVectors } from "./known-vectors.ts";

const BATCH_SIZE = 100;

/** Ours: one transaction over PostgreSQL, Redis and FAISS for each batch. */
export class Mnemosync implements Contender {
  readonly versions = { mnemosync: versionOfOurs() };
  readonly place: Place;
  readonly vectors: KnownVectors;
  #batchSize = BATCH_SIZE;
  #connected: Promise<Synchronizer> | null = null;

  private constructor(place: Place, vectors: KnownVectors) {
    this.place = place;
    this.vectors = vectors;
  }

  static async open(place: Place, vectors: KnownVectors): Promise<Mnemosync> {
    return new Mnemosync(place, vectors);
  }

  readonly sync = async (memories: readonly BenchMemory[], batchSize: number): Promise<Account> => {
    if (batchSize !== this.#batchSize) throw new Error(`it is set up for batches of ${this.#batchSize}: ask it first`);
    return accountOf(await (await this.#synchronizer()).syncBatch(memories.map(inputOf)));
  };

  readonly search = async (memory: BenchMemory, count: number): Promise<readonly string[]> => {
    const found = await (await this.#synchronizer()).search(memory.content, { k: count });
    return found.map(({ memory: { memoryId } }) => memoryId);
  };

  async add(memories: readonly BenchMemory[], batchSize: number): Promise<Account> {
    return await this.sync(memories, batchSize);
  }

  async remove(memories: readonly BenchMemory[]): Promise<Account> {
    const synchronizer = await this.#synchronizer();
    return accountOf(await Promise.all(memories.map(({ memoryId }) => synchronizer.delete(memoryId))));
  }

  async counts(): Promise<Account> {
    const { stores } = await (await this.#synchronizer()).status();
    const count = (store: { memories: number | null } | undefined): number => store?.memories ?? Number.NaN;
    return { postgres: count(stores.postgres), redis: count(stores.redis), faiss: count(stores.faiss) };
  }

  async close(): Promise<void> {
    const connected = this.#connected;
    this.#connected = null;
    await (await connected)?.close();
  }

  /** Its batch size is a setting, not an argument: another one takes another synchronizer. */
  async prepareFor(batchSize: number): Promise<void> {
    if (batchSize !== this.#batchSize) await this.close();
    this.#batchSize = batchSize;
    await this.#synchronizer();
  }

  async #synchronizer(): Promise<Synchronizer> {
    this.#connected ??= connect(this.place, this.vectors, this.#batchSize);
    return await this.#connected;
  }
}

export const openMnemosync = Mnemosync.open;

async function connect(place: Place, vectors: KnownVectors, batchSize: number): Promise<Synchronizer> {
  return await MemorySynchronizer.connect({
    postgresUrl: place.postgresUrl,
    redisUrl: place.redisUrl,
    redisPrefix: prefixOf(place),
    faiss: { directory: join(place.directory, "index"), dimension: place.dimension },
    embedder: embedderOf(vectors),
    batchSize,
  });
}

/** Keys of its own for each place. */
export function prefixOf({ postgresUrl }: Place): string {
  return `bench-${new URL(postgresUrl).pathname.slice(1)}`;
}

export function embedderOf(vectors: KnownVectors): Embedder {
  return {
    model: "bench",
    dimension: vectors.dimension,
    embed: async (texts) => texts.map((text) => vectors.packed(text)),
  };
}

export function inputOf({ memoryId, content, memoryType, importance, metadata }: BenchMemory): MemoryInput {
  return { memoryId, content, memoryType, importance, metadata };
}

export function accountOf(outcomes: readonly SyncOutcome[]): Account {
  const account: Record<string, number> = {};
  for (const { status } of outcomes) account[status] = (account[status] ?? 0) + 1;
  return account;
}

function versionOfOurs(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
