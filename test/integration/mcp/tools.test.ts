import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test, vi } from "vitest";
import { isAlive } from "../../../src/dev/processes.ts";
import { pollUntil } from "../../../src/dev/wait.ts";
import { openCommandLine } from "../../support/command-line.ts";
import { openService } from "../../support/http-service.ts";
import { connected, httpClient } from "../../support/mcp-clients.ts";
import { TOOL_NAMES, useEveryTool, useResources } from "../../support/mcp-course.ts";
import { programArguments, REPOSITORY } from "../../support/program.ts";
import type { WorldOptions } from "../../support/world.ts";

/** Goal: an agent can do with memories what its tools promise. Method: the SDK's own client, over both transports, real stores. */

vi.setConfig({ testTimeout: 240_000 });

const WORLD: WorldOptions = {
  faiss: { dimension: 64 },
  settings: { embedding: { provider: "hashing" }, indexes: { text: "simple" } },
};

/** The next update of a resource that the client is told of. */
function updates(client: Client): () => Promise<string> {
  const told: string[] = [];
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void told.push(params.uri));
  return async () => {
    await pollUntil("an update", 60_000, () => told.length > 0);
    return told[0] as string;
  };
}

test("over HTTP every tool and resource works, under the keys of the service", async (t) => {
  const service = await openService(t, { world: WORLD });
  const client = await httpClient(t, service);
  await useEveryTool(client);
  await useResources(client, updates(client));
});

test("over stdio every tool and resource works, and the process ends with its client", async (t) => {
  const { environment } = await openCommandLine();
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [...programArguments(), "mcp"],
    cwd: REPOSITORY,
    env: { ...getDefaultEnvironment(), ...environment, MNEMOSYNC_INDEXES_TEXT: "simple" },
    stderr: "ignore",
  });
  const client = await connected(t, transport as Transport);
  await useEveryTool(client);
  await useResources(client, updates(client));
  const { pid } = transport;
  await client.close();
  expect(pid).not.toBeNull();
  await pollUntil("the end of the process", 60_000, () => !isAlive(pid as number));
});

test("a key is offered what it may use; a tool beyond that is refused with a reason", async (t) => {
  const service = await openService(t, { world: WORLD });
  const names = async (key: string, query = "") => {
    const client = await httpClient(t, service, { key, query });
    return { client, names: (await client.listTools()).tools.map(({ name }) => name) };
  };
  const reader = await names(service.keys.reader);
  expect(reader.names).toEqual(["recall", "get", "list", "history"]);
  const denied = await reader.client.callTool({ name: "remember", arguments: { content: "a" } });
  expect(denied).toMatchObject({ isError: true, _meta: { "mnemosync/error": { code: "FORBIDDEN" } } });
  const tenant = await names(service.keys.tenant);
  expect(tenant.names).toEqual(TOOL_NAMES.filter((name) => name !== "check"));

  // A key of one namespace is in it without naming it; another one is refused before a session begins.
  await tenant.client.callTool({ name: "remember", arguments: { memoryId: "own", content: "of tenant a" } });
  expect(await service.world.sync.get("own", { namespace: "tenant-a" })).toMatchObject({ content: "of tenant a" });
  await expect(names(service.keys.tenant, "?namespace=tenant-b")).rejects.toThrow("403");

  const several = await names(service.keys.tenant, "?namespace=*");
  const foreign = await several.client.callTool({ name: "get", arguments: { namespace: "tenant-b", memoryId: "own" } });
  expect(foreign).toMatchObject({ isError: true, _meta: { "mnemosync/error": { code: "FORBIDDEN" } } });
  const own = await several.client.callTool({ name: "get", arguments: { namespace: "tenant-a", memoryId: "own" } });
  expect(own.structuredContent).toMatchObject({ content: "of tenant a" });
});
