import { checksumOf, type MemoryKey } from "../../index.ts";
import type { Injection, Take } from "./injection.ts";
import { type Past, redisKey } from "./past.ts";
import type { DemoWorld } from "./world.ts";

/** Damages Redis with plain commands, as a colleague, another program or a restored dump might. */
export async function redisDrift(world: DemoWorld, past: Past, take: Take): Promise<Injection[]> {
  const { redis } = world;
  const at = (key: MemoryKey): string => redisKey(world, key);
  const injections: Injection[] = [];
  const inject = async (
    kind: Injection["kind"],
    what: string,
    keys: readonly MemoryKey[],
    damage: (key: MemoryKey, index: number) => Promise<unknown>,
  ): Promise<void> => {
    await Promise.all(keys.map(damage));
    injections.push({ store: "redis", kind, what, memoryIds: keys.map(({ memoryId }) => memoryId) });
  };

  await inject("missing", "keys deleted", take(20), (key) => redis.del(at(key)));
  await inject("corrupt", "data edited by hand", take(8), async (key) =>
    redis.hset(at(key), "data", await editedData(world, key)),
  );
  await inject("ahead", "version set to 99", take(2), (key) => redis.hset(at(key), "version", "99"));
  await inject("diverged", "other data with its own, fitting checksum", take(2), async (key) => {
    const data = await editedData(world, key);
    const embedding = await redis.hgetBuffer(at(key), "embedding");
    return redis.hset(at(key), { data, checksum: checksumOf(data, embedding) });
  });
  const stale = past.changed.slice(0, 4);
  await inject("stale", "first version put back", keysOf(stale), async (key, index) => {
    await redis.del(at(key));
    return redis.hset(at(key), stale[index]?.hash ?? {});
  });
  const resurrected = past.deleted.slice(0, 2);
  await inject("resurrected", "deleted memories shown again", keysOf(resurrected), async (key, index) => {
    await redis.del(at(key));
    return redis.hset(at(key), resurrected[index]?.hash ?? {});
  });
  const strangers = ["made-up-1", "made-up-2", "made-up-3"].map((memoryId) => ({ namespace: "default", memoryId }));
  await inject("orphan", "keys of memories that do not exist", strangers, (key) =>
    redis.hset(at(key), past.changed[0]?.hash ?? {}),
  );
  return injections;
}

function keysOf(versions: readonly { key: MemoryKey }[]): MemoryKey[] {
  return versions.map(({ key }) => key);
}

/** A document that says something else. */
export async function editedData(world: DemoWorld, key: MemoryKey): Promise<string> {
  const data = await world.redis.hget(redisKey(world, key), "data");
  return JSON.stringify({ ...JSON.parse(data ?? "{}"), content: "This is not what was said." });
}
