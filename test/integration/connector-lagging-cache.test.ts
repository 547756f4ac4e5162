import { expect, test } from "vitest";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import { CONNECTOR_KEY } from "../support/connectors/hosted-world.ts";
import { LightRagServer } from "../support/connectors/lightrag-server.ts";
import { feedShown } from "../support/feed-shown.ts";
import { behind } from "../support/lagging-cache.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld({ faiss: false, settings: { repairKinds: [] } });

test("a delivery sends what the ledger has, where the cache still has the version before", async () => {
  const { sync, connectOptions } = shared.current;
  const put = (content: string) => sync.syncMemory("m", { content, memoryType: "semantic" });
  await put("the version before");
  await behind(shared.current, "m", () => put("what the ledger has"));
  await feedShown(shared.current);
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
