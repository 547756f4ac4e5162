import type { PutChange } from "../../domain/memory.ts";
import type { MemoryInput, MemoryKey } from "../../index.ts";
import type { DemoWorld } from "./world.ts";

/** The first versions of memories that were changed later: the content of a store that goes back. */
export interface Past {
  /** Replaced by a second version. */
  readonly changed: readonly OldVersion[];
  readonly deleted: readonly OldVersion[];
}

export interface OldVersion {
  readonly key: MemoryKey;
  readonly change: PutChange;
  /** The Redis hash as it was. */
  readonly hash: Record<string, Buffer>;
}

/** Where a memory is in Redis. */
export function redisKey(world: DemoWorld, { namespace, memoryId }: MemoryKey): string {
  return `${world.prefix}:memory:${namespace}:${memoryId}`;
}

/** Changes some memories and deletes others, through the synchronizer, and returns their earlier versions. */
export async function makePast(
  world: DemoWorld,
  changed: readonly MemoryInput[],
  deleted: readonly MemoryInput[],
  signal: AbortSignal,
): Promise<Past> {
  const past = {
    changed: await copies(world, changed.map(keyOf), signal),
    deleted: await copies(world, deleted.map(keyOf), signal),
  };
  const versions = changed.map((memory) => ({ ...memory, content: `${memory.content} Confirmed again since.` }));
  const outcomes = await world.sync.syncBatch(versions, { signal });
  for (const { memoryId } of deleted) outcomes.push(await world.sync.delete(memoryId, { signal }));
  const failed = outcomes.find(({ status }) => status !== "synced");
  if (failed !== undefined) throw failed.error ?? new Error(`${failed.memoryId} is ${failed.status}, not synced`);
  return past;
}

export function keyOf({ memoryId, namespace = "default" }: MemoryInput): MemoryKey {
  return { namespace, memoryId };
}

async function copies(world: DemoWorld, keys: readonly MemoryKey[], signal: AbortSignal): Promise<OldVersion[]> {
  const changes = await world.ledger.currentChanges(keys, signal);
  return await Promise.all(
    keys.map(async (key, index) => {
      const change = changes[index];
      if (change?.kind !== "put") throw new Error(`${key.memoryId} is not in the ledger`);
      return { key, change, hash: await world.redis.hgetallBuffer(redisKey(world, key)) };
    }),
  );
}
