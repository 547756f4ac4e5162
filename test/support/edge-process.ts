/** A process that has an edge's file: `node edge-process.ts <path> <hub> <key> <first id>`. Tells of each write on its standard output. */
import { EdgeStore } from "../../src/edge/index.ts";

const [, , path = "", hub = "", apiKey = "", prefix = "m", mode = "sync"] = process.argv;
const edge = await EdgeStore.open({ path, hub, apiKey, retryBaseMs: 10, pushIntervalMs: 100 }, { check: false });
if (mode === "sync") edge.start();
process.stdout.write("open\n");
for (let index = 0; ; index++) {
  await edge.put(`${prefix}-${index}`, { content: `content of ${prefix}-${index}`, memoryType: "note" });
  process.stdout.write(`${index}\n`);
  if (mode === "write" && index === 49) break;
}
await edge.close();
