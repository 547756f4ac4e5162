import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { pollUntil } from "../../src/dev/wait.ts";
import type { KeyEntry } from "../../src/http/keys-file.ts";
import { programArguments, REPOSITORY } from "../support/program.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { ServiceInsight } from "./inside/service-insight.ts";
import { PATIENCE } from "./service-settings.ts";
import { DIMENSION } from "./tenants.ts";
import type { Damage } from "./tour-sections.ts";

export interface FuzzStores {
  /** A server on which a database is made for the run. */
  readonly postgresUrl: string;
  readonly redisUrl: string;
}

/** What the service process is set up with, and no other process uses. */
interface OwnStores {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
}

const INSIDE = new URL("inside/inside.mjs", import.meta.url).href;

/** `mnemosync serve` as a process of its own, with a small heap and stores that no other process uses. */
export class ServedProcess implements Damage {
  readonly url: string;
  readonly insight: ServiceInsight;
  readonly #child: ChildProcess;
  readonly #output: () => string;
  readonly #clear: () => Promise<void>;
  readonly #stores: OwnStores;

  private constructor(
    url: string,
    stores: OwnStores,
    child: ChildProcess,
    output: () => string,
    clear: () => Promise<void>,
  ) {
    this.url = url;
    this.insight = new ServiceInsight(child);
    this.#stores = stores;
    this.#child = child;
    this.#output = output;
    this.#clear = clear;
  }

  /** @param heapMebibytes V8's heap, at most: beyond it the process ends. */
  static async start(stores: FuzzStores, keys: readonly KeyEntry[], heapMebibytes: number): Promise<ServedProcess> {
    const [database, replica] = [
      await createTestDatabase(stores.postgresUrl),
      await createTestDatabase(stores.postgresUrl),
    ];
    const folder = await mkdtemp(join(tmpdir(), "mnemosync-fuzz-"));
    const prefix = `fuzz-${randomBytes(4).toString("hex")}`;
    await writeFile(join(folder, "keys.json"), JSON.stringify({ keys }), { mode: 0o600 });
    const child = spawn(
      process.execPath,
      [
        `--max-old-space-size=${heapMebibytes}`,
        "--import",
        INSIDE,
        ...programArguments(),
        "serve",
        "--json",
        "--log-level",
        "info",
      ],
      {
        cwd: REPOSITORY,
        env: {
          ...process.env,
          MNEMOSYNC_POSTGRES_URL: database.url,
          MNEMOSYNC_REDIS_URL: stores.redisUrl,
          MNEMOSYNC_REDIS_PREFIX: prefix,
          MNEMOSYNC_FAISS_DIRECTORY: join(folder, "faiss"),
          MNEMOSYNC_FAISS_DIMENSION: String(DIMENSION),
          MNEMOSYNC_EMBEDDING_PROVIDER: "none",
          ...PATIENCE,
          MNEMOSYNC_REPLICA_ENABLED: "true",
          MNEMOSYNC_REPLICA_POSTGRES_URL: replica.url,
          MNEMOSYNC_CONNECTORS_MEDIA_DIRECTORY: join(folder, "media"),
          MNEMOSYNC_WEBHOOKS_SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
          MNEMOSYNC_WEBHOOKS_ALLOWED_ADDRESSES: "127.0.0.1",
          MNEMOSYNC_WEBHOOKS_ALLOW_HTTP: "true",
          // Conflicts stay pending: the consistency loop leaves those to be asked for.
          MNEMOSYNC_REPAIR_STRATEGY: "manual",
          MNEMOSYNC_POSTGRES_CONNECTIONS_MIN: "0",
          MNEMOSYNC_HTTP_PORT: "0",
          MNEMOSYNC_HTTP_KEYS_FILE: join(folder, "keys.json"),
          MNEMOSYNC_HTTP_RATE_LIMIT_PER_SECOND: "1000000",
          MNEMOSYNC_HTTP_RATE_LIMIT_BURST: "1000000",
        },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      },
    );
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        printed = (printed + chunk).slice(-OUTPUT_KEPT);
      });
    }
    const clear = async (): Promise<void> => {
      await database.drop();
      await replica.drop();
      await rm(folder, { recursive: true, force: true });
      const redis = new Redis(stores.redisUrl);
      const names = await redis.keys(`${prefix}:*`);
      if (names.length > 0) await redis.unlink(names);
      redis.disconnect();
    };
    const own: OwnStores = { databaseUrl: database.url, redisUrl: stores.redisUrl, prefix };
    const served = (url: string) => new ServedProcess(url, own, child, () => printed, clear);
    try {
      await pollUntil("the service", 60_000, () => {
        if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}: ${printed}`);
        return /\bready\b/.test(printed) && /listening on \S+/.test(printed);
      });
    } catch (error) {
      await served("").stop();
      throw error;
    }
    return served(/listening on (\S+)/.exec(printed)?.[1] as string);
  }

  /** The way in which the process ended; null while it runs. */
  get ending(): string | null {
    const { exitCode, signalCode } = this.#child;
    return exitCode === null && signalCode === null ? null : `${signalCode ?? exitCode}: ${this.#output()}`;
  }

  /** What the service logged of a request; the line may arrive after its answer. Empty where none came within two seconds. */
  async logOf(requestId: string): Promise<string> {
    const lines = (): string[] =>
      this.#output()
        .split("\n")
        .filter((line) => line.includes(requestId));
    await pollUntil("a log line", 2_000, () => lines().some((line) => line.includes("stack"))).catch(() => undefined);
    return lines().join("\n");
  }

  /** Gives a memory in Redis a version that the ledger never gave out: a conflict, once it is found. */
  async driftInRedis(namespace: string, memoryId: string): Promise<void> {
    const { redisUrl, prefix } = this.#stores;
    const redis = new Redis(redisUrl);
    try {
      await redis.hset(`${prefix}:memory:${namespace}:${memoryId}`, "version", "9");
    } finally {
      redis.disconnect();
    }
  }

  /** Makes a store of the deployment that no node runs. */
  async registerStore(storeId: string): Promise<void> {
    await this.#withSql(async (sql) => {
      await sql`
        insert into mnemosync.stores (id, holds, filled_at)
        values (${storeId}, array['documents'], clock_timestamp())`;
    });
  }

  /** What PostgreSQL does for the service at this moment: for the report of a request that got no answer. */
  async databaseActivity(): Promise<string> {
    return await this.#withSql(async (sql) => {
      const rows = await sql`
        select pid, state, wait_event_type, wait_event, pg_blocking_pids(pid) as blocked_by,
               round(extract(epoch from clock_timestamp() - query_start)) as seconds, left(query, 120) as query
        from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
      return rows.map((row) => JSON.stringify(row)).join("\n    ");
    });
  }

  async #withSql<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    const sql = postgres(this.#stores.databaseUrl, { max: 1, onnotice: () => undefined });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async stop(): Promise<void> {
    if (this.ending === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await exited;
    }
    await this.#clear();
  }
}

/** Characters of the service's last output that are kept, for the report of a crash. */
const OUTPUT_KEPT = 20_000;
