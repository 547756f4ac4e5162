import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import type { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type * as types from "@modelcontextprotocol/sdk/types.js";
import { ConfigurationError } from "../index.ts";

/** What every server needs of the SDK. */
export interface ServerSdk {
  readonly Server: typeof Server;
  readonly types: typeof types;
}

const PACKAGE = "@modelcontextprotocol/sdk";

/**
 * Loads the SDK, which is an optional peer: a program that opens no MCP door neither installs nor loads it.
 * @throws {ConfigurationError} It is not installed.
 */
export async function loadServerSdk(): Promise<ServerSdk> {
  const [{ Server }, types] = await explained(() =>
    Promise.all([import("@modelcontextprotocol/sdk/server/index.js"), import("@modelcontextprotocol/sdk/types.js")]),
  );
  return { Server, types };
}

export async function loadStdio(): Promise<typeof StdioServerTransport> {
  return (await explained(() => import("@modelcontextprotocol/sdk/server/stdio.js"))).StdioServerTransport;
}

export async function loadHttp(): Promise<typeof WebStandardStreamableHTTPServerTransport> {
  const loaded = await explained(() => import("@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js"));
  return loaded.WebStandardStreamableHTTPServerTransport;
}

/** Says which package to install where one is missing. Exported for tests. */
export async function explained<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new ConfigurationError(`MCP needs the package ${PACKAGE}, which is not installed: npm install ${PACKAGE}`, {
      cause,
    });
  }
}
