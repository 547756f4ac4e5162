import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { inject } from "vitest";
import type { RedisProjectionOptions } from "../../src/stores/redis/options.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";
import { describeProjection, type SharedStore } from "./projection.ts";

async function open(options: Partial<RedisProjectionOptions> = {}): Promise<SharedStore> {
  const client = new Redis(inject("redisUrl"));
  // Characters that a pattern would read otherwise, and that are part of the prefix all the same.
  const prefix = `conformance-[${randomBytes(6).toString("hex")}]*`;
  const clear = async () => {
    const keys: string[] = [];
    const match = `${prefix.replace(/[[\]*]/g, "\\$&")}*`;
    for await (const page of client.scanStream({ match, count: 5_000 })) keys.push(...(page as string[]));
    if (keys.length > 0) await client.unlink(keys);
  };
  return {
    projection: new RedisProjection(client, { prefix, nodeId: "conformance", ...options }),
    clear,
    close: async () => {
      await clear();
      client.disconnect();
    },
  };
}

describeProjection("Redis", () => open());
describeProjection("Redis without vectors", () => open({ storeEmbedding: false }));
