/** The process of `stand-in.ts`: serves items that were captured one a second until now, and ends with the process that began it. */
import { MemorySpaceServer } from "../../test/support/connectors/memory-space-server.ts";

const items = Number(process.argv[2]);
const server = await MemorySpaceServer.start({ apiKey: null });
const now = Date.now();
for (let index = 0; index < items; index++) {
  const created_at = new Date(now - (items - index) * 1_000).toISOString();
  server.put({ id: `i${index}`, created_at, transcript: `we talked about subject ${index}` });
}
process.once("disconnect", () => process.exit(0));
process.send?.({ url: server.url, context: server.context });
