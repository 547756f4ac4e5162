import type { World } from "./world.ts";

/** Does `work`, which writes the memory, and gives Redis the entry of before again, as where its publish is still to come. */
export async function behind(
  world: World,
  memoryId: string,
  work: () => Promise<unknown>,
  namespace?: string,
): Promise<void> {
  const key = world.redisKey(memoryId, namespace);
  const before = await world.redis.hgetallBuffer(key);
  await work();
  await world.redis.del(key);
  await world.redis.hset(key, before);
}
