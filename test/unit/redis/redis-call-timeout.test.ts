import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { parseOptions } from "../../../src/config/parse.ts";
import { createRedisClient } from "../../../src/drivers/redis/redis-client.ts";
import { RedisProjection } from "../../../src/stores/redis/redis-projection.ts";
import { redisProjectionOptions } from "../../../src/stores/redis/settings.ts";

test("the setting redisCallTimeoutMs ends a call of a silent server, whose caller would wait for longer", async (t) => {
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  t.onTestFinished(() => void silent.close());
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  const redisUrl = `redis://127.0.0.1:${port}`;
  const options = parseOptions({ postgresUrl: "postgres://u@127.0.0.1/d", redisUrl, redisCallTimeoutMs: 100 });
  const client = createRedisClient(redisUrl);
  t.onTestFinished(() => client.disconnect());
  client.connect().catch(() => undefined);
  const projection = new RedisProjection(client, { ...redisProjectionOptions(options), nodeId: "n" });
  // Far beyond the time-out of the test: only the setting can end the call.
  const patient = AbortSignal.timeout(600_000);
  await expect(projection.count(patient)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "redis" });
  expect(patient.aborted).toBe(false);
});
