import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { expect } from "vitest";
import type { TestService } from "./http-service.ts";

interface Test {
  readonly onTestFinished: (finish: () => Promise<void>) => void;
}

/** The SDK's own client, connected. It checks each answer against the schema of its tool, once the tools were listed. */
export async function connected(t: Test, transport: Transport): Promise<Client> {
  const client = new Client({ name: "test", version: "1.0.0" });
  t.onTestFinished(() => client.close());
  await client.connect(transport);
  return client;
}

/** A service that listens. @returns the address of its MCP door. */
export async function listening(service: TestService): Promise<URL> {
  if (!service.app.server.listening) await service.app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = service.app.server.address() as { port: number };
  return new URL(`http://127.0.0.1:${port}/mcp`);
}

export interface HttpClientOptions {
  /** @default the admin key */
  readonly key?: string;
  /** Of the address, e.g. `?namespace=a`. */
  readonly query?: string;
}

export async function httpTransport(service: TestService, options: HttpClientOptions = {}) {
  const { key = service.keys.admin, query = "" } = options;
  const headers = { authorization: `Bearer ${key}` };
  return new StreamableHTTPClientTransport(new URL(query, await listening(service)), { requestInit: { headers } });
}

export async function httpClient(t: Test, service: TestService, options: HttpClientOptions = {}): Promise<Client> {
  return await connected(t, (await httpTransport(service, options)) as Transport);
}

type Document = Record<string, unknown>;

/** The structured answer of a tool. Fails where the call failed. */
export async function called<T = Document>(client: Client, name: string, args: object = {}): Promise<T> {
  const result = (await client.callTool({ name, arguments: { ...args } })) as CallToolResult;
  expect(result.isError, JSON.stringify(result.content)).not.toBe(true);
  const [text] = result.content;
  expect(JSON.parse(text?.type === "text" ? text.text : "")).toEqual(result.structuredContent);
  return result.structuredContent as T;
}

/** The failure of a call: what the model reads, and what a program reads. */
export async function refused(
  client: Client,
  name: string,
  args: object = {},
): Promise<{ text: string; error: Document }> {
  const result = (await client.callTool({ name, arguments: { ...args } })) as CallToolResult;
  expect(result.isError, JSON.stringify(result)).toBe(true);
  const [text] = result.content;
  return { text: text?.type === "text" ? text.text : "", error: result._meta?.["mnemosync/error"] as Document };
}
