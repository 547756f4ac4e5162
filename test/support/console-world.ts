import { CONNECTOR_KEY } from "./connectors/hosted-world.ts";
import { MemorySpaceServer } from "./connectors/memory-space-server.ts";
import { MEMORY, serviceOn, type TestService } from "./http-service.ts";
import { leaveToPerson } from "./manual-conflicts.ts";
import { openReplicaWorld } from "./replica-world.ts";

type Test = { onTestFinished: (finish: () => Promise<void>) => void };

/** A service of which every page of the console has something to show, and their places. */
export async function openFullConsole(t: Test): Promise<{ service: TestService; places: readonly string[] }> {
  const space = await MemorySpaceServer.start();
  t.onTestFinished(() => space.close());
  const created_at = "2026-01-01T00:00:00Z";
  space.put({ id: "fine", created_at, transcript: "said" });
  space.put({ id: "huge", created_at, transcript: "x".repeat(1_100_000) });
  // Its loop repairs nothing: the drift is there to be seen.
  const settings = { connectors: { secretKey: CONNECTOR_KEY }, repairKinds: [], indexes: { text: "english" } };
  const replica = await openReplicaWorld(t, { world: { faiss: {}, redis: true, settings } });
  const service = await serviceOn(t, replica.world, { http: { port: 0 } });
  const { world } = service;
  for (const memoryId of ["m1", "m2", "m3"]) {
    await world.put({ memoryId, ...MEMORY, metadata: { of: "test" } });
    await world.put({ memoryId, ...MEMORY, content: `${MEMORY.content}, said again` });
  }
  await world.redis.hset(world.redisKey("m1"), "version", "9");
  const [conflict] = await leaveToPerson(world);
  await world.redis.del(world.redisKey("m2"));
  await world.sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, dead_at, last_error)
    values ('redis', '', 'default', 'm3', clock_timestamp(), 'the store said no')`;
  await world.sync.connectors.create("space", {
    from: { type: "memory-space", url: space.url, context: space.context, apiKey: "secret-key" },
    to: { type: "memories" },
  });
  const run = await world.sync.connectors.trigger("space");
  for await (const { state } of world.sync.connectors.watch("space", run.id)) {
    if (state !== "queued" && state !== "running") break;
  }
  const device = { device: "laptop-1", name: "Amara's laptop", protocolVersions: [1] };
  await service.request("POST", "/v1/hub/identify", { body: device });
  const { id: jobId } = (await service.request("POST", "/v1/checks", { body: { scope: "full" } })).json();
  return {
    service,
    places: [
      ...["overview", "memories", "memories/default", "memories/default/m1", "memories/default/none"],
      ...["conflicts", `conflicts/${conflict?.id}`, "drift", `drift/${jobId}`],
      ...["queue", `queue/${jobId}`, "connectors", "connectors/space", "edges", "replica", "keys", "nowhere"],
    ],
  };
}
