import * as z from "zod";
import { milliseconds, wholeNumber } from "../domain/settings.ts";

/** MCP under the service, and `mnemosync mcp`, under `mcp`. */
export const mcpSettings = z.strictObject({
  enabled: z.boolean().default(true).describe("Whether the service answers MCP at /mcp"),
  sessionsMax: wholeNumber(1, 65_536).default(1_000).describe("MCP sessions of the service at a time"),
  sessionsPerKeyMax: wholeNumber(1, 65_536)
    .default(200)
    .describe(
      "The same per key; a further one ends the key's session that is idle for longest, or is refused with 429",
    ),
  sessionIdleMs: milliseconds(1_000)
    .default(1_800_000)
    .describe("Milliseconds after which an MCP session without calls and streams ends"),
  callsMax: wholeNumber(1, 1_000).default(16).describe("Calls of an MCP connection at a time; further ones fail"),
  callTimeoutMs: milliseconds(100).default(60_000).describe("Milliseconds that an MCP call may take"),
  checkTimeoutMs: milliseconds(100).default(600_000).describe("Milliseconds that a call of the tool check may take"),
});

export type McpSettings = z.output<typeof mcpSettings>;
