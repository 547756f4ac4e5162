import { randomBytes } from "node:crypto";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import type { EmbeddedServer } from "../../../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../../../src/dev/postgres-server.ts";
import { startEmbeddedRedis } from "../../../../src/dev/redis-server.ts";
import type { KeyEntry } from "../../../../src/http/keys-file.ts";
import { coldBackup, restoreBackup } from "../../../support/postgres-past.ts";
import { createTestDatabase, type TestDatabase } from "../../../support/template-database.ts";
import { DIMENSION } from "../world.ts";

/** A PostgreSQL and a Redis that live as long as all runs together. One run at a time uses them. */
export interface LongLivedStores {
  readonly postgres: EmbeddedServer;
  readonly redis: EmbeddedServer;
  close(): Promise<void>;
}

export async function openLongLivedStores(): Promise<LongLivedStores> {
  // What a crash of the machine would take is not asked here: processes are killed, and the system keeps what they wrote.
  const settings = { fsync: "off", full_page_writes: "off", max_connections: 100 };
  const [server, redis] = await Promise.all([startEmbeddedPostgres({ settings }), startEmbeddedRedis()]);
  return {
    postgres: server,
    redis,
    close: async () => void (await Promise.all([server.close(), redis.close()])),
  };
}

/** The stores of one hub: a database, a prefix and an index folder of its own; and its keys. */
export class HubStores {
  readonly #stores: LongLivedStores;
  readonly #database: TestDatabase;
  readonly #folder: string;
  readonly #prefix = `edges-${randomBytes(4).toString("hex")}`;
  #past: "none" | "database" | "cluster" = "none";

  private constructor(stores: LongLivedStores, database: TestDatabase, folder: string) {
    this.#stores = stores;
    this.#database = database;
    this.#folder = folder;
  }

  static async open(stores: LongLivedStores): Promise<HubStores> {
    const [database, folder] = await Promise.all([
      createTestDatabase(stores.postgres.url),
      mkdtemp(join(tmpdir(), "mnemosync-edge-hub-")),
    ]);
    return new HubStores(stores, database, folder);
  }

  get databaseUrl(): string {
    return this.#database.url;
  }

  /** What sets the program up for these stores. @param postgresUrl the way to the database. */
  environment(postgresUrl: string): Record<string, string> {
    return {
      MNEMOSYNC_POSTGRES_URL: postgresUrl,
      MNEMOSYNC_REDIS_URL: this.#stores.redis.url,
      MNEMOSYNC_REDIS_PREFIX: this.#prefix,
      MNEMOSYNC_FAISS_DIRECTORY: join(this.#folder, "faiss"),
      MNEMOSYNC_FAISS_DIMENSION: String(DIMENSION),
      MNEMOSYNC_EMBEDDING_PROVIDER: "none",
      MNEMOSYNC_POSTGRES_CONNECTIONS_MIN: "0",
      MNEMOSYNC_HTTP_KEYS_FILE: join(this.#folder, "keys.json"),
      MNEMOSYNC_HTTP_RATE_LIMIT_PER_SECOND: "1000000",
      MNEMOSYNC_HTTP_RATE_LIMIT_BURST: "1000000",
      MNEMOSYNC_HISTORY_VERSIONS_MAX: "10000",
      MNEMOSYNC_SYNC_INTERVAL_MS: "1000",
      // What a killed process committed and did not publish is taken over soon.
      MNEMOSYNC_PUBLISH_DEADLINE_MS: "2000",
    };
  }

  /** The service reads the file when it starts. */
  async writeKeys(keys: readonly KeyEntry[]): Promise<void> {
    const path = join(this.#folder, "keys.json");
    await writeFile(`${path}.new`, JSON.stringify({ keys }), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  /**
   * Keeps a copy, of the database or of the cluster's files: after a restore of the first one transaction ids go on, after one
   * of the second they go back. The hub must not run.
   */
  async copy(kind: "database" | "cluster"): Promise<void> {
    this.#past = kind;
    if (kind === "cluster") return await coldBackup(this.#stores.postgres);
    await this.#asAdmin(async (sql, name) => {
      await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
      await sql.unsafe(`create database ${name}_past template ${name}`);
    });
  }

  /** Puts the copy in the place of the database. The hub must not run. */
  async goBack(): Promise<void> {
    const kind = this.#past;
    this.#past = "none";
    if (kind === "cluster") return await restoreBackup(this.#stores.postgres);
    await this.#asAdmin(async (sql, name) => {
      await sql.unsafe(`drop database ${name} with (force)`);
      await sql.unsafe(`alter database ${name}_past rename to ${name}`);
    });
  }

  async close(): Promise<void> {
    if (this.#past === "database") {
      await this.#asAdmin(async (sql, name) => void (await sql.unsafe(`drop database ${name}_past with (force)`)));
    }
    await this.#database.drop();
    const redis = new Redis(this.#stores.redis.url);
    const keys = await redis.keys(`${this.#prefix}:*`);
    if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #asAdmin(work: (sql: postgres.Sql, name: string) => Promise<void>): Promise<void> {
    const sql = postgres(this.#stores.postgres.url, { max: 1, onnotice: () => undefined });
    try {
      await work(sql, new URL(this.databaseUrl).pathname.slice(1));
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}
