import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { pollUntil } from "../../src/dev/wait.ts";
import {
  type ConsistencyReport,
  type FaissProjection,
  type MemorySynchronizer,
  openVectorIndex,
  type SyncOutcome,
} from "../../src/index.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import { withClientsAndHooks } from "../../src/synchronizer/with-hooks.ts";
import type { WriteStep } from "../../src/write/write-step.ts";
import type { BenchMemory } from "../support/dataset.ts";
import type { Account, Faults, Nearest, Observation, Place } from "./contender.ts";
import type { KnownVectors } from "./known-vectors.ts";
import { accountOf, embedderOf, inputOf, type Mnemosync, prefixOf } from "./mnemosync.ts";
import { accountText, countsText, findable, moodOf } from "./observe.ts";

const TIMEOUT_MS = 20_000;

type Make = Faults<Mnemosync>[keyof Faults<Mnemosync>];

/** A synchronizer on clients of the bench's own, which can reach its stores behind its back. */
class World {
  readonly vectors: KnownVectors;
  readonly redis: Redis;
  readonly #place: Place;
  readonly sql: postgres.Sql;
  #sync: MemorySynchronizer | null = null;
  #index: FaissProjection | null = null;
  /** Why searches of the last `found` failed; empty when none did. */
  failing = "";
  /** What is to happen at a step of the next write. */
  onStep: ((step: WriteStep) => Promise<void>) | null = null;

  constructor(place: Place, vectors: KnownVectors) {
    this.#place = { ...place, directory: join(place.directory, "faults") };
    this.vectors = vectors;
    this.redis = new Redis(place.redisUrl);
    this.sql = postgres(place.postgresUrl, { max: 10, onnotice: () => undefined });
  }

  get sync(): MemorySynchronizer {
    return this.#sync as MemorySynchronizer;
  }

  get index(): FaissProjection {
    return this.#index as FaissProjection;
  }

  get indexDirectory(): string {
    return this.#place.directory;
  }

  async open(): Promise<void> {
    const faiss = { directory: this.indexDirectory, dimension: this.vectors.dimension };
    this.#index = await openVectorIndex({ sql: this.sql, faiss: { ...faiss, model: "bench", hostBackoffMaxMs: 100 } });
    this.#sync = await withClientsAndHooks(
      { redis: this.redis, sql: this.sql, vectorIndex: this.#index },
      {
        embedder: embedderOf(this.vectors),
        onStep: async (step) => await this.onStep?.(step),
        redisPrefix: `${prefixOf(this.#place)}-faults`,
        faiss,
      },
    );
  }

  async shut(): Promise<void> {
    await this.#sync?.close();
    await this.#index?.close({ snapshot: true });
    this.#sync = null;
    this.#index = null;
  }

  async close(): Promise<void> {
    await this.shut();
    this.redis.disconnect();
    await this.sql.end({ timeout: 1 });
  }

  async write(memories: readonly BenchMemory[]): Promise<SyncOutcome[]> {
    return await this.sync.syncBatch(memories.map(inputOf));
  }

  nearest = async (vector: number[], count: number): Promise<Nearest> => {
    const found = await this.sync.search(vector, { k: count });
    return { memoryIds: found.map(({ memory }) => memory.memoryId), similarity: found[0]?.score ?? null };
  };

  async found(memories: readonly BenchMemory[]): Promise<number> {
    const { found, error } = await findable(memories, this.nearest, ({ content }) => this.vectors.plain(content));
    this.failing = error === null ? "" : ` (searches fail: ${error})`;
    return found;
  }

  async counts(): Promise<Account> {
    const { postgres: ledger, redis, faiss } = (await this.sync.status()).stores;
    const count = (store: { memories: number | null } | undefined): number => store?.memories ?? Number.NaN;
    return { postgres: count(ledger), redis: count(redis), faiss: count(faiss) };
  }

  /** Takes vectors out of the running index, so that nothing tells of it. */
  async dropVectors(): Promise<number> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { entries } = await this.index.scan(null, {}, signal);
    const live = entries.filter((entry): entry is LiveEntry => entry.state === "live");
    const answers = await this.index.replace(
      live.map((found) => ({ key: { namespace: found.namespace, memoryId: found.memoryId }, found, change: null })),
      signal,
    );
    return answers.filter((answer) => answer !== "moved").length;
  }

  async refuseWrites(): Promise<void> {
    await this.redis.config("SET", "maxmemory", "1");
  }

  async acceptWrites(): Promise<void> {
    await this.redis.config("SET", "maxmemory", "0");
  }
}

async function inWorld(
  { place, vectors }: Mnemosync,
  work: (world: World) => Promise<readonly Observation[]>,
): Promise<readonly Observation[]> {
  const world = new World(place, vectors);
  try {
    await world.open();
    return await work(world);
  } finally {
    await world.close();
  }
}

const textOf = (outcomes: readonly SyncOutcome[]): string => accountText(accountOf(outcomes));
const isAll = (counts: Account, count: number): boolean => Object.values(counts).every((each) => each === count);
const checkText = ({ clean, findings }: ConsistencyReport): string =>
  clean ? "the check is clean" : `the check proves ${findings.length} ${findings[0]?.store} ${findings[0]?.kind}`;

const vectorsLost: Make = async (ours, memories) =>
  await inWorld(ours, async (world) => {
    const count = memories.length;
    await world.write(memories);
    await world.shut();
    await rm(world.indexDirectory, { recursive: true });
    await world.open();
    const again = textOf(await world.write(memories));
    const found = await world.found(memories);
    const file: Observation = {
      how: "the index's folder is gone",
      says: again,
      is: `${found} of ${count} are found${world.failing}: filled from the ledger`,
      holds: found === count,
    };
    await world.dropVectors();
    const lost = await world.found(memories);
    const synced = textOf(await world.write(memories));
    const report = await world.sync.checkConsistency();
    const { repaired } = await world.sync.repairInconsistencies(report);
    const after = await world.found(memories);
    const running: Observation = {
      how: "taken out of the running index",
      says: `${synced}; ${checkText(report)}; repaired ${repaired}`,
      is: `${lost} of ${count} are found before the check, ${after} after the repair${world.failing}`,
      holds: report.findings.length === count && after === count,
    };
    return [file, running];
  });

interface Failure {
  readonly how: string;
  /** When it begins; null: before the write. */
  readonly step: WriteStep | null;
  fail(): Promise<void>;
  heal(): Promise<void>;
}

/** A store fails at a step of the write and is well again; the backlog does its work, and the same is written again. */
async function failAt(
  world: World,
  memories: readonly BenchMemory[],
  { how, step, fail, heal }: Failure,
): Promise<Observation> {
  const before = await world.counts();
  let isDone = false;
  const failOnce = async (reached: WriteStep | null): Promise<void> => {
    if (reached !== step || isDone) return;
    isDone = true;
    await fail();
  };
  world.onStep = failOnce;
  await failOnce(null);
  const first = textOf(await world.write(memories));
  const between = await world.counts();
  world.onStep = null;
  await heal();
  await world.sync.backlog.drain();
  const second = textOf(await world.write(memories));
  const report = await world.sync.checkConsistency({ scope: "deep" });
  const found = await world.found(memories);
  const grown = Object.entries(between).map(([store, count]) => [store, count - (before[store] ?? 0)]);
  return {
    how,
    says: `${first}; again: ${second}`,
    is: `${countsText(Object.fromEntries(grown))} after the first; then ${found} of ${memories.length} are found${world.failing}, ${checkText(report)}`,
    holds: found === memories.length && report.clean,
  };
}

const secondStoreFails: Make = async (ours, memories) =>
  await inWorld(ours, async (world) => {
    const third = Math.floor(memories.length / 3);
    const part = (number: number): BenchMemory[] => memories.slice(number * third, (number + 1) * third);
    const refused = part(2)[third >> 1] as BenchMemory;
    try {
      return [
        await failAt(world, part(0), {
          how: "Redis refuses after the commit",
          step: "committed",
          fail: () => world.refuseWrites(),
          heal: () => world.acceptWrites(),
        }),
        await failAt(world, part(1), {
          how: "the FAISS process is killed before the commit",
          step: "prepared",
          fail: async () => void process.kill(world.index.hostPid as number, "SIGKILL"),
          // It is started again by itself. Searches are refused until it is known to serve: what they find then counts.
          heal: async () => {
            const { content } = part(1)[0] as BenchMemory;
            const answers = () => world.nearest(world.vectors.plain(content), 1).then(Boolean, () => false);
            await pollUntil("an answer of the index", TIMEOUT_MS, answers);
          },
        }),
        await failAt(world, part(2), {
          how: "Postgres refuses one memory of a batch",
          step: null,
          fail: async () => {
            await world.sql.unsafe(`
              create function refuse() returns trigger language plpgsql as $$
              begin if new.memory_id = '${refused.memoryId}' then raise exception 'refused' using errcode = 'check_violation'; end if; return new; end $$;
              create trigger refuse before insert on mnemosync.memory_bodies for each row execute function refuse()`);
          },
          heal: async () => {
            await world.sql`drop function refuse cascade`;
          },
        }),
      ];
    } finally {
      await world.acceptWrites();
    }
  });

const embeddedAnew: Make = async (ours, memories) =>
  await inWorld(ours, async (world) => {
    await world.write(memories);
    const old = new Map(memories.map(({ memoryId, content }) => [memoryId, ours.vectors.plain(content)]));
    ours.vectors.retrain();
    const says = textOf(await world.write(memories));
    const now = await world.found(memories);
    const stale = await findable(memories, world.nearest, ({ memoryId }) => old.get(memoryId) as number[]);
    const counts = await world.counts();
    return [
      {
        how: "other vectors, synced again",
        says,
        is: `${countsText(counts)}; ${now} new vectors answer, ${stale.found} old ones`,
        holds: now === memories.length && stale.found === 0 && isAll(counts, memories.length),
      },
    ];
  });

const metadataChanged: Make = async (ours, memories) =>
  await inWorld(ours, async (world) => {
    const [memory] = memories as [BenchMemory];
    const write = async (mood: string): Promise<SyncOutcome> =>
      await world.sync.syncMemory(memory.memoryId, {
        content: memory.content,
        memoryType: memory.memoryType,
        metadata: { user: { mood } },
      });
    await write("calm");
    const says = textOf([await write("cross")]);
    const [found] = await world.sync.search(ours.vectors.plain(memory.content), { k: 1 });
    const mood = moodOf(found?.memory.metadata);
    return [{ how: 'user.mood "calm" becomes "cross"', says, is: `a search gives "${mood}"`, holds: mood === "cross" }];
  });

const updatedThenDeleted: Make = async (ours, memories) =>
  await inWorld(ours, async (world) => {
    await world.write(memories);
    ours.vectors.retrain();
    await world.write(memories);
    const outcomes = await Promise.all(memories.map(({ memoryId }) => world.sync.delete(memoryId)));
    const counts = await world.counts();
    const found = await world.found(memories);
    const report = await world.sync.checkConsistency({ scope: "deep" });
    return [
      {
        how: "other vectors, then delete",
        says: textOf(outcomes),
        is: `${countsText(counts)}; ${found} are found${world.failing}, ${checkText(report)}`,
        holds: isAll(counts, 0) && found === 0 && report.clean,
      },
    ];
  });

export const mnemosyncFaults: Faults<Mnemosync> = {
  "vectors lost, same memories synced again": vectorsLost,
  "second store fails in the middle, then tried again": secondStoreFails,
  "embedded anew under unchanged ids": embeddedAnew,
  "nested metadata changed, text the same": metadataChanged,
  "updated, then deleted": updatedThenDeleted,
};
