import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { beforeEach, expect, inject, onTestFinished, test } from "vitest";
import { BucketSet } from "../../src/domain/buckets.ts";
import { bucketOf } from "../../src/domain/keys.ts";
import type { StoredEntry } from "../../src/stores/projection.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";
import { put, tombstone } from "../../src/testing/changes.ts";

/** Goal: an entry of another layout is not an entry of this program, for every call of the projection on a real server. */

const soon = () => AbortSignal.timeout(60_000);
const KEY = { namespace: "default", memoryId: "m" };

let client: Redis;
let projection: RedisProjection;
let redisKey: string;

beforeEach(() => {
  const prefix = `format-${randomBytes(6).toString("hex")}`;
  client = new Redis(inject("redisUrl"));
  projection = new RedisProjection(client, { prefix, nodeId: "format" });
  redisKey = `${prefix}:memory:default:m`;
  onTestFinished(async () => {
    const keys = await client.keys(`${prefix}:*`);
    if (keys.length > 0) await client.del(keys);
    client.disconnect();
  });
});

const read = async (data: boolean): Promise<StoredEntry | null> =>
  (await projection.read([KEY], { data }, soon()))[0] ?? null;
const setOther = (fields: Record<string, string> = {}) =>
  client.hset(redisKey, { format: "2", body: "packed", ...fields });

async function scanned(buckets?: BucketSet): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  let cursor: string | null = null;
  do {
    const page = await projection.scan(cursor, { buckets }, soon());
    entries.push(...page.entries);
    cursor = page.cursor;
  } while (cursor !== null);
  return entries;
}

test.each([
  [
    "whole, but of format 2",
    async () => {
      await projection.publish([put("m", 3)], soon());
      await client.hset(redisKey, "format", "2");
    },
  ],
  ["fields that only format 12 knows", () => client.hset(redisKey, { format: "12", body: "packed" })],
  ["a version that is no number here", () => setOther({ version: "7/a" })],
])("%s: neither decoded nor counted", async (_, set) => {
  await set();
  for (const data of [false, true]) {
    const entry = await read(data);
    expect(entry).toMatchObject({ ...KEY, state: "malformed", otherFormat: expect.stringMatching(/^(2|12)$/) });
    expect(entry).not.toHaveProperty("raw");
    expect(entry).not.toHaveProperty("version");
  }
  expect((await projection.digest(soon())).total).toBe(0);
  const own = new BucketSet();
  own.add(bucketOf(KEY));
  expect(await scanned()).toEqual([]);
  expect(await scanned(own)).toEqual([]);
  expect(await projection.count(soon())).toBe(0);
});

test("format 1 named in the entry is the own layout", async () => {
  await projection.publish([put("m", 3)], soon());
  await client.hset(redisKey, "format", "1");
  expect(await read(true)).toMatchObject({ state: "live", version: 3 });
  expect(await projection.count(soon())).toBe(1);
  expect((await projection.digest(soon())).total).toBe(1);
  expect(await projection.publish([put("m", 3)], soon())).toEqual(["stale"]);
});

test.each(["x", "", "0", "-2", "2.5"])("format %j is damage, not another layout", async (format) => {
  await projection.publish([put("m", 3)], soon());
  await client.hset(redisKey, "format", format);
  const entry = await read(false);
  expect(entry).toMatchObject({ state: "malformed", reason: `has format ${JSON.stringify(format)}` });
  expect(entry).not.toHaveProperty("otherFormat");
  expect(await scanned()).toHaveLength(1);
  const [bucket] = [...(await projection.digest(soon())).counts].filter((count) => count > 0);
  expect(bucket).toBe(1);
});

test.each([
  ["an older version", { version: "4" }, "applied"],
  ["the same version", { version: "5" }, "applied"],
  ["a newer version", { version: "6" }, "stale"],
  ["no version", {}, "applied"],
  ["a version that cannot be read", { version: "6/a" }, "applied"],
  ["a version in another notation", { version: "1e9" }, "applied"],
] as const)("a publish over another layout at %s: %j is %s", async (_, fields, answer) => {
  for (const change of [put("m", 5), tombstone("m", 5)]) {
    await client.del(redisKey);
    await setOther(fields);
    expect(await projection.publish([change], soon())).toEqual([answer]);
    if (answer === "stale") expect(await client.hgetall(redisKey)).toEqual({ format: "2", body: "packed", ...fields });
    else {
      expect(await read(false)).toMatchObject({ state: change.kind === "put" ? "live" : "tombstone", version: 5 });
      expect(await client.hexists(redisKey, "format")).toBe(0);
      expect(await client.hexists(redisKey, "body")).toBe(0);
    }
  }
});

test("a replacement of another layout fits no entry of the own one, and the other way round", async () => {
  await setOther({ version: "9" });
  const other = await read(true);
  const replace = async (found: StoredEntry | null) =>
    (await projection.replace([{ key: KEY, found, change: put("m", 5) }], soon()))[0];
  // What was live, or nothing, is of another layout by now.
  expect(await replace(null)).toBe("moved");
  expect(await replace({ ...KEY, state: "malformed", reason: "has no version" })).toBe("moved");
  await client.hset(redisKey, { checksum: "c" });
  expect(await replace({ ...KEY, state: "live", version: 9, checksum: "c", modifiedAt: null })).toBe("moved");
  expect(await client.hget(redisKey, "format")).toBe("2");
  expect(await replace(other)).toBe("applied");
  expect(await read(false)).toMatchObject({ state: "live", version: 5 });
  // What was of another layout is an own entry by now.
  await projection.publish([put("m", 7)], soon());
  expect(await replace(other)).toBe("moved");
  expect(await read(false)).toMatchObject({ state: "live", version: 7 });
});
