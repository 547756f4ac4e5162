import { expect, test } from "vitest";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import { CONNECTOR_KEY } from "../support/connectors/hosted-world.ts";
import { LightRagServer } from "../support/connectors/lightrag-server.ts";
import { feedShown } from "../support/feed-shown.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld({ faiss: false, settings: { repairKinds: [] } });

test("a delivery sends what the ledger has, where the cache still has the version before", async () => {
  const { sync, redis, connectOptions } = shared.current;
  const key = shared.current.redisKey("m");
  await sync.syncMemory("m", { content: "the version before", memoryType: "semantic" });
  const before = await redis.dumpBuffer(key);
  await sync.syncMemory("m", { content: "what the ledger has", memoryType: "semantic" });
  await feedShown(shared.current);
  await redis.restore(key, 0, before as Buffer, "REPLACE");
  const rag = await LightRagServer.start({ version: "1.5.6" });
  const other = await connectWithHooks({ ...connectOptions, connectors: { secretKey: CONNECTOR_KEY } });
  try {
    expect(await other.get("m")).toMatchObject({ content: "the version before", memoryType: "semantic" });
    await other.connectors.create("out", {
      from: { type: "memories" },
      to: { type: "lightrag", url: rag.url, apiKey: "rag-key" },
    });
    const made = await other.connectors.trigger("out", { here: true });
    let last = made;
    for await (const run of other.connectors.watch("out", made.id)) last = run;
    expect(last).toMatchObject({ state: "succeeded" });
    const texts = [...rag.state.documents.values()].map(({ text }) => text);
    expect(texts).toEqual([expect.stringContaining("what the ledger has")]);
  } finally {
    await other.close();
    await rag.close();
  }
});
