import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";

/**
 * An MCP client as a process of its own, to be killed: `tsx mcp-client-process.ts ARGUMENTS…` starts `node ARGUMENTS…` as its server,
 * prints the server's process id, and writes batches of memories for as long as it lives.
 */
const transport = new StdioClientTransport({
  command: process.execPath,
  args: process.argv.slice(2),
  env: Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  ),
  stderr: "ignore",
});
const client = new Client({ name: "mortal", version: "1.0.0" });
await client.connect(transport as Transport);
process.stdout.write(`server ${transport.pid}\n`);
for (let batch = 0; ; batch++) {
  const memories = Array.from({ length: 200 }, (_, number) => ({
    memoryId: `b${batch}-${number}`,
    content: `note ${number}`,
  }));
  const progress = (): void => void process.stdout.write(`progress ${batch}\n`);
  await client.callTool({ name: "remember_many", arguments: { memories } }, undefined, { onprogress: progress });
}
