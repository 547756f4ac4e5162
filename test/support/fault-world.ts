import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { sendSignal } from "../../src/dev/processes.ts";
import { pause, pollUntil } from "../../src/dev/wait.ts";
import type { ConnectOptions, FaissProjection, MemoryInput, MemorySynchronizer, SyncOutcome } from "../../src/index.ts";
import type { Hooks } from "../../src/synchronizer/with-hooks.ts";
import type { WriteStep } from "../../src/write/write-step.ts";
import { connectSeen } from "./connect-seen.ts";
import type { FaultServers } from "./fault-servers.ts";
import { type Held, lookAt } from "./held.ts";
import { sampleMemory } from "./memories.ts";
import { inTime } from "./settles.ts";
import { createTestDatabase, type TestDatabase } from "./template-database.ts";

export const DIMENSION = 8;

export type Settings = Partial<Omit<ConnectOptions, "postgresUrl" | "redisUrl" | "faiss">>;

/** Deadlines of some hundred milliseconds, so that a fault is over, one way or the other, within a second or two. */
const IMPATIENT = {
  callTimeoutMs: 500,
  prepareTimeoutMs: 200,
  publishTimeoutMs: 300,
  inDoubtTimeoutMs: 600,
  publishDeadlineMs: 200,
  cacheTimeoutMs: 200,
  retriesMax: 1,
  retryDelayMs: 10,
} satisfies Settings;

export interface FaultWorldOptions {
  /** False: no vector index, which saves its start of half a second. @default true */
  faiss?: boolean;
  /** Whether stores are not asked before a commit, as where nobody looks at the steps of writes. @default false */
  unprepared?: boolean;
  settings?: Settings;
}

/** What is to happen at a step, and the writes that wait there for the others. */
interface Armed {
  readonly step: WriteStep;
  readonly action: () => void | Promise<void>;
  missing: number;
  readonly happened: Promise<void>;
  readonly letGo: () => void;
}

/** A synchronizer whose every connection goes through proxies, and raw looks at the stores around them. */
export class FaultWorld {
  readonly servers: FaultServers;
  readonly prefix = `fault-${randomBytes(4).toString("hex")}`;
  readonly directory: string;
  readonly database: TestDatabase;
  readonly #options: FaultWorldOptions;
  /** Steps of writes so far, in order. */
  readonly steps: WriteStep[] = [];
  readonly #frozenHosts = new Set<number>();
  #sql: postgres.Sql | null = null;
  #sync: MemorySynchronizer | null = null;
  #index: FaissProjection | null = null;
  #armed: Armed | null = null;

  private constructor(servers: FaultServers, options: FaultWorldOptions, database: TestDatabase, directory: string) {
    this.servers = servers;
    this.#options = options;
    this.database = database;
    this.directory = directory;
  }

  static async open(servers: FaultServers, options: FaultWorldOptions = {}): Promise<FaultWorld> {
    const [database, directory] = await Promise.all([
      createTestDatabase(servers.postgres.url),
      mkdtemp(join(tmpdir(), "mnemosync-fault-")),
    ]);
    const world = new FaultWorld(servers, options, database, directory);
    try {
      await world.connect();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  get sync(): MemorySynchronizer {
    if (this.#sync === null) throw new Error("the world's synchronizer is closed");
    return this.#sync;
  }

  /** The index inside of the synchronizer, for looking past it. */
  get index(): FaissProjection {
    if (this.#index === null) throw new Error("the world has no vector index");
    return this.#index;
  }

  get connectOptions(): ConnectOptions & Hooks {
    return {
      postgresUrl: this.servers.postgresProxy.through(this.database.url),
      redisUrl: this.servers.redisProxy.through(this.servers.redis.url),
      redisPrefix: this.prefix,
      ...(this.#options.faiss !== false && { faiss: { directory: this.directory, dimension: DIMENSION } }),
      ...IMPATIENT,
      ...this.#options.settings,
      unprepared: this.#options.unprepared === true,
      onStep: (step) => this.#onStep(step),
    };
  }

  /** @param settings what differs from the world's own; `postgresUrl`: another way to its proxy. */
  async connect(settings: Settings & { postgresUrl?: string } = {}): Promise<MemorySynchronizer> {
    // A generous deadline for the set-up itself, whose calls have the same ones as those under test.
    const { sync, index } = await connectSeen({ ...this.connectOptions, ...settings });
    this.#sync = sync;
    this.#index = index;
    return sync;
  }

  async disconnect(): Promise<void> {
    const sync = this.#sync;
    this.#sync = null;
    this.#index = null;
    if (sync !== null) await inTime("closing the synchronizer", sync.close());
  }

  /**
   * Runs `action` the next time that a write comes to `step`, and lets the write go on when it is done. Once.
   * @param writes how many writes must have come there: all of them wait, and are there at the same moment.
   */
  atStep(step: WriteStep, action: () => void | Promise<void>, writes = 1): void {
    let letGo = (): void => undefined;
    const happened = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    this.#armed = { step, action, missing: writes, happened, letGo };
  }

  /**
   * Waits for the marks of earlier writes, which a fault of the next bytes to Postgres would meet instead. After a second
   * none is on its way any more: one that failed is not tried again.
   */
  async untilMarked(): Promise<void> {
    await this.sql(async (sql) => {
      // The second look comes after the answer to the statement that the first one saw done.
      for (let looks = 0; looks < 2; await pause(5)) {
        const unmarked = await sql`
          select 1 from mnemosync.sync_transactions
          where state = 'committed' and created_at > clock_timestamp() - interval '1 second'`;
        looks = unmarked.length === 0 ? looks + 1 : 0;
      }
    });
  }

  /** Runs `action` when the next prepare (or publish) is on its way to Redis, which has it only once that is done. */
  during(call: "prepare" | "publish", action: () => void | Promise<void>): void {
    const sequence = call === "prepare" ? `${this.prefix}:prepare:` : `${this.prefix}:memory:`;
    this.servers.redisProxy.when("toServer", sequence, action);
  }

  /** -9 to the process that holds the vectors. It is started again by its supervisor. */
  killHost(): void {
    const { hostPid } = this.index;
    if (hostPid !== null) sendSignal(hostPid, "SIGKILL");
  }

  freezeHost(): void {
    const { hostPid } = this.index;
    if (hostPid === null) return;
    this.#frozenHosts.add(hostPid);
    sendSignal(hostPid, "SIGSTOP");
  }

  thawHost(): void {
    for (const pid of this.#frozenHosts) sendSignal(pid, "SIGCONT");
    this.#frozenHosts.clear();
  }

  /** Ends every fault; resolves once the synchronizer finds all its stores healthy. */
  async heal(): Promise<void> {
    this.#armed?.letGo();
    this.#armed = null;
    this.thawHost();
    await this.servers.heal();
    await pollUntil("the stores' health", 30_000, async () => {
      const { stores } = await this.sync.status({ timeoutMs: 20_000 });
      return Object.values(stores).every(({ state }) => state === "healthy");
    });
  }

  /** Works the backlog until nothing is left in it. */
  async drain(deadlineMs = 60_000): Promise<void> {
    const { sync } = this;
    let last = "";
    try {
      await pollUntil("draining the backlog", deadlineMs, async () => {
        const pass = await sync.backlog.runOnce({ signal: AbortSignal.timeout(60_000) }).catch((error: Error) => error);
        const { backlog } = await sync.status({ timeoutMs: 20_000 });
        last = `${pass instanceof Error ? pass.message : JSON.stringify(pass)} ${JSON.stringify(backlog)}`;
        // What was left without a mark is not counted before it is overdue.
        return backlog.pending === 0 && backlog.dead === 0 && (await this.#countUnmarked()) === 0;
      });
    } catch (error) {
      const entries = await sync.backlog.list({ limit: 3 }).catch(() => []);
      throw new Error(`${(error as Error).message}; last: ${last}; queue: ${JSON.stringify(entries)}`);
    }
  }

  async #countUnmarked(): Promise<number> {
    return await this.sql(async (sql) => {
      return (await sql`select 1 from mnemosync.sync_transactions where state = 'committed'`).length;
    });
  }

  async close(): Promise<void> {
    try {
      this.thawHost();
      await this.servers.heal();
      await this.disconnect();
    } finally {
      await this.redis(async (redis) => {
        const keys = await redis.keys(`${this.prefix}:*`);
        if (keys.length > 0) await redis.unlink(keys);
      }).catch(() => undefined);
      await this.#sql?.end({ timeout: 1 });
      await this.database.drop().catch(() => undefined);
      await rm(this.directory, { recursive: true, force: true });
    }
  }

  memory(number: number, fields: Partial<MemoryInput> = {}): MemoryInput {
    return sampleMemory(number, DIMENSION, fields);
  }

  put(input: MemoryInput, options: { expectedVersion?: number; timeoutMs?: number } = {}): Promise<SyncOutcome> {
    const { memoryId, ...fields } = input;
    // The call itself may take as long as its steps need: what it answers is to be the truth, not that time was up.
    return this.sync.syncMemory(memoryId, fields, { timeoutMs: 30_000, ...options });
  }

  /** Around the proxies. What a fault of the server's ended is opened again. */
  async sql<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    this.#sql ??= postgres(this.database.url, {
      max: 2,
      connect_timeout: 5,
      backoff: false,
      onnotice: () => undefined,
    });
    return await work(this.#sql);
  }

  /** Around the proxies. */
  async redis<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.servers.redis.url, { retryStrategy: null, maxRetriesPerRequest: 0 });
    redis.on("error", () => undefined);
    try {
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }

  redisKey(memoryId: string): string {
    return `${this.prefix}:memory:default:${memoryId}`;
  }

  /** What each store holds of these memories right now. */
  async look(memoryIds: readonly string[]): Promise<Map<string, Held>> {
    return await this.sql((sql) =>
      this.redis((redis) =>
        lookAt({ sql, redis, index: this.#index, redisKey: (memoryId) => this.redisKey(memoryId) }, memoryIds),
      ),
    );
  }

  async #onStep(step: WriteStep): Promise<void> {
    this.steps.push(step);
    const armed = this.#armed;
    if (armed === null || armed.step !== step) return;
    if (--armed.missing > 0) return await inTime(`other writes at ${step}`, armed.happened);
    this.#armed = null;
    try {
      await armed.action();
    } finally {
      armed.letGo();
    }
  }
}
