import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { expect, inject, test } from "vitest";
import type { RedisProjectionOptions } from "../../src/stores/redis/options.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";
import { put } from "../../src/testing/changes.ts";
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

test("a version of a lost history with the same content gets the time of the one that the ledger gave out since", async () => {
  const { projection, close } = await open();
  const signal = AbortSignal.timeout(90_000);
  try {
    const lost = put("m", 7);
    const again = { ...lost, modifiedAt: lost.modifiedAt + 60_000 };
    expect(await projection.publish([lost], signal)).toEqual(["applied"]);
    expect(await projection.publish([again], signal)).toEqual(["applied"]);
    expect(await projection.read([lost], { data: false }, signal)).toMatchObject([{ modifiedAt: again.modifiedAt }]);
    expect(await projection.publish([again], signal)).toEqual(["stale"]);
    // A newer one and one with another content stay: what they are is for the judge of stale answers.
    expect(await projection.publish([put("m", 6)], signal)).toEqual(["stale"]);
    expect(await projection.publish([put("m", 7, { content: "another" })], signal)).toEqual(["stale"]);
  } finally {
    await close();
  }
});
