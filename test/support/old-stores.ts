import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { inject, type TestContext } from "vitest";
import { loadLedger } from "./ledger-dump.ts";
import { postgresUrl } from "./services.ts";
import { readFiles, readRedis } from "./store-bytes.ts";
import { createTestDatabase } from "./template-database.ts";

/** Bytes as `scripts/write-old-stores.mjs` keeps them: readable where they are text. */
type Encoded = { readonly text: string } | { readonly base64: string };

interface RedisEntry {
  /** Milliseconds until the entry expires; -1: never. */
  readonly ttlMs: number;
  readonly string?: Encoded;
  readonly hash?: Readonly<Record<string, Encoded>>;
}

/** One ledger, one Redis prefix and one index folder, to be opened by programs in turn. Gone when the test has ended. */
export interface ThreeStores {
  readonly postgresUrl: string;
  readonly sql: postgres.Sql;
  readonly redisPrefix: string;
  /** The folder of the vector index. */
  readonly directory: string;
  /** All entries under the prefix, by key, with the bytes of each field in order. */
  redisEntries(): Promise<Map<string, string>>;
  /** All files of the index folder, by path, in hex. */
  indexFiles(): Map<string, string>;
}

/** As an older program left them: `test/data/{ledger,redis,index}-<number>`, see `scripts/write-old-stores.mjs`. */
export async function loadOldStores(t: TestContext, number: string): Promise<ThreeStores> {
  const { url, sql } = await loadLedger(t, `ledger-${number}`);
  return await storesBeside(t, url, sql, async (redis, prefix, directory) => {
    await writeRedis(redis, prefix, readData(`redis-${number}.json`));
    writeIndex(directory, readData(`index-${number}.json`));
  });
}

/** Empty ones: the first program that connects makes the schema. */
export async function emptyStores(t: TestContext): Promise<ThreeStores> {
  const database = await createTestDatabase(postgresUrl(), { empty: true });
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  t.onTestFinished(async () => {
    await sql.end({ timeout: 1 });
    await database.drop();
  });
  return await storesBeside(t, database.url, sql, async () => undefined);
}

async function storesBeside(
  t: TestContext,
  postgresUrl: string,
  sql: postgres.Sql,
  fill: (redis: Redis, prefix: string, directory: string) => Promise<void>,
): Promise<ThreeStores> {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-stores-"));
  const redis = new Redis(inject("redisUrl"));
  const redisPrefix = `versions-${process.pid}-${Math.random().toString(36).slice(2)}`;
  t.onTestFinished(async () => {
    const keys = await redis.keys(`${redisPrefix}:*`);
    if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await rm(directory, { recursive: true, force: true });
  });
  await fill(redis, redisPrefix, directory);
  return {
    ...{ postgresUrl, sql, redisPrefix, directory },
    redisEntries: () => readRedis(redis, redisPrefix),
    indexFiles: () => readFiles(directory),
  };
}

/** A file of `test/data`, parsed as JSON. */
export function readData<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../data/${name}`, import.meta.url), "utf8")) as T;
}

async function writeRedis(redis: Redis, prefix: string, entries: Readonly<Record<string, RedisEntry>>): Promise<void> {
  for (const [name, { ttlMs, string, hash }] of Object.entries(entries)) {
    const key = `${prefix}:${name}`;
    if (string !== undefined) await redis.set(key, bytesOf(string));
    for (const [field, value] of Object.entries(hash ?? {})) await redis.hset(key, field, bytesOf(value));
    if (ttlMs >= 0) await redis.pexpire(key, ttlMs);
  }
}

function writeIndex(directory: string, files: Readonly<Record<string, Encoded>>): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytesOf(content));
  }
}

function bytesOf(encoded: Encoded): Buffer {
  return "text" in encoded ? Buffer.from(encoded.text) : Buffer.from(encoded.base64, "base64");
}
