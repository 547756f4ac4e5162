import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { createRedisClient } from "../../../src/drivers/redis/redis-client.ts";
import { RedisStanding } from "../../../src/stores/redis/redis-standing.ts";

test("a call whose deadline passes while the owner is looked for again counts as an unavailable store", async (t) => {
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  t.onTestFinished(() => void silent.close());
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  const client = createRedisClient(`redis://127.0.0.1:${port}`);
  t.onTestFinished(() => client.disconnect());
  const standing = new RedisStanding(client, { prefix: "p", ownsClient: false, callTimeoutMs: 10_000 });
  standing.admit("ledger");
  client.connect().catch(() => undefined);
  const look = standing.guard(AbortSignal.timeout(20));
  await expect(look).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});
