import { randomBytes } from "node:crypto";
import { Cluster } from "ioredis";
import { createRedisClient } from "../../src/drivers/redis/redis-client.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";
import { startCluster } from "../support/redis-topologies.ts";
import { describeProjection } from "./projection.ts";

describeProjection("a Redis cluster of two primaries", async () => {
  const cluster = await startCluster();
  const client = createRedisClient(cluster.url);
  if (!(client instanceof Cluster)) throw new Error("the URL of a cluster gave a client of another kind");
  await client.connect();
  const prefix = `conformance-${randomBytes(6).toString("hex")}`;
  return {
    projection: new RedisProjection(client, { prefix, nodeId: "conformance" }),
    clear: async () => void (await Promise.all(client.nodes("master").map((node) => node.flushall()))),
    close: async () => {
      client.disconnect();
      await cluster.close();
    },
  };
});
