import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { type ConsistencyReport, createLog, type MemoryInput, MemorySynchronizer } from "../../src/index.ts";
import { Random } from "../support/random.ts";

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  /** An empty database of its own. */
  readonly postgresUrl: string;
  readonly log?: (line: string) => void;
}

export interface SoakResult {
  readonly writes: number;
  readonly checks: number;
  /** Memories that were on their way while a check ran, by the backlog's count. */
  readonly backlogMax: number;
  /** Findings of memories to which nothing was done: there must be none. */
  readonly falseFindings: readonly string[];
  readonly injected: number;
  /** Injected drift that the next check did not name: there must be none. */
  readonly missed: readonly string[];
}

const WRITERS = 8;
const HOT = 20;
const LOADED = 2_000;
const QUIET = 200;
const DIMENSION = 8;
/** Checks between two injections, and between two outages of Redis's writing. */
const INJECT_EVERY = 4;
const OUTAGE_EVERY = 7;
const OUTAGE_MS = 400;

/**
 * Checks back to back while writers put, update and delete, memories everybody writes among them, and while Redis refuses
 * writes now and then, so that a backlog drains beside the checks. Nothing may be found but what was done on purpose, to
 * memories that the writers leave alone, and all of that must be.
 */
export async function soakChecks({
  seed,
  seconds,
  postgresUrl,
  log = () => undefined,
}: SoakOptions): Promise<SoakResult> {
  const random = new Random(seed);
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-soak-"));
  const server = await startEmbeddedRedis();
  const redis = new Redis(server.url);
  const sync = await MemorySynchronizer.connect({
    postgresUrl,
    redisUrl: server.url,
    faiss: { directory, dimension: DIMENSION },
    syncIntervalMs: 100,
    // Its own checks would repair what was done on purpose before it is looked for.
    consistencyCheckIntervalMs: 86_400_000,
    log: createLog("silent"),
  });
  const memory = (memoryId: string): MemoryInput => ({
    memoryId,
    content: `said ${random.below(1e9)}`,
    memoryType: "episodic",
    embedding: Array.from({ length: DIMENSION }, () => random.next() - 0.5),
  });
  const result = {
    writes: 0,
    checks: 0,
    backlogMax: 0,
    injected: 0,
    falseFindings: [] as string[],
    missed: [] as string[],
  };
  const stop = new AbortController();
  const quiet = Array.from({ length: QUIET }, (_, number) => `quiet-${number}`);
  const write = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const id = random.next() < 0.5 ? `hot-${random.below(HOT)}` : `m-${random.below(LOADED)}`;
      if (random.next() < 0.2) await sync.delete(id);
      else {
        const { memoryId, ...fields } = memory(id);
        await sync.syncMemory(memoryId, fields);
      }
      result.writes++;
    }
  };
  const judge = (report: ConsistencyReport, drifted: ReadonlySet<string>): void => {
    result.checks++;
    const found = new Set(report.findings.map(({ memoryId }) => memoryId));
    for (const finding of report.findings) {
      if (!drifted.has(finding.memoryId)) result.falseFindings.push(JSON.stringify(finding));
    }
    for (const id of drifted) if (!found.has(id)) result.missed.push(`${id} (${report.scope})`);
  };
  try {
    await sync.syncBatch([...quiet, ...Array.from({ length: LOADED }, (_, number) => `m-${number}`)].map(memory));
    await sync.checkConsistency({ scope: "quick" });
    sync.start();
    const writing = Promise.all(Array.from({ length: WRITERS }, write));
    const endsAt = performance.now() + seconds * 1_000;
    try {
      for (let round = 1; performance.now() < endsAt; round++) {
        const drifted = new Set<string>();
        if (round % INJECT_EVERY === 0) {
          for (let count = 0; count < 5; count++) drifted.add(random.pick(quiet));
          for (const id of drifted) await injectInto(redis, `mnemosync:memory:default:${id}`, random);
          result.injected += drifted.size;
        }
        const outage = round % OUTAGE_EVERY === 0 ? refuseWrites(redis, OUTAGE_MS) : null;
        const scope = round % 5 === 0 ? "deep" : "full";
        const report = await sync.checkConsistency({ scope });
        judge(report, drifted);
        const { backlog } = await sync.status();
        result.backlogMax = Math.max(result.backlogMax, backlog.pending);
        await outage;
        if (drifted.size > 0) {
          const { repaired } = await sync.repairInconsistencies(report);
          if (repaired !== drifted.size) result.missed.push(`${repaired} of ${drifted.size} repaired`);
        }
        if (round % 20 === 0) log(`${round} checks, ${result.writes} writes, ${backlog.pending} pending`);
      }
    } finally {
      stop.abort();
      await writing;
    }
    await sync.backlog.drain();
    judge(await sync.checkConsistency({ scope: "deep" }), new Set());
    return result;
  } finally {
    await sync.close();
    redis.disconnect();
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Drift that both a full and a deep check must see. */
async function injectInto(redis: Redis, key: string, random: Random): Promise<void> {
  switch (random.below(3)) {
    case 0:
      await redis.del(key);
      break;
    case 1:
      await redis.hset(key, "version", 99);
      break;
    default:
      await redis.hset(key, "checksum", "0".repeat(64));
  }
}

/** Redis is out of memory for a while: writes are degraded and queued. */
async function refuseWrites(redis: Redis, milliseconds: number): Promise<void> {
  await redis.config("SET", "maxmemory", "1");
  await delay(milliseconds);
  await redis.config("SET", "maxmemory", "0");
}
