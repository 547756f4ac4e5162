/** MCP on a synchronizer. Needs the package @modelcontextprotocol/sdk, which is loaded when a server is made. */
export type { Caller, Right } from "./caller.ts";
export { createMcpServer } from "./mcp-server.ts";
export type { McpServerOptions } from "./server-options.ts";
export { type StdioOptions, serveStdio } from "./stdio.ts";
