import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { DEFAULT_NAMESPACE, type MemorySynchronizer } from "../index.ts";
import { silentLog } from "../runtime/log.ts";
import { packageVersion } from "../runtime/package-files.ts";
import { CallSlots } from "./call-slots.ts";
import type { Caller } from "./caller.ts";
import { failureOf } from "./failure.ts";
import { mcpMetricsOf } from "./metrics.ts";
import { ResourceFeed } from "./resource-feed.ts";
import { MEMORY_TEMPLATE, Resources } from "./resources.ts";
import { loadServerSdk, type ServerSdk } from "./sdk.ts";
import { CALL_TIMEOUT_MS, CALLS_MAX, CHECK_TIMEOUT_MS, type McpServerOptions } from "./server-options.ts";
import { Subscriptions, type UpdateSink } from "./subscriptions.ts";
import { ToolCalls } from "./tool-calls.ts";

/** A server for one connection, not connected yet. */
export interface McpServer {
  /** The SDK's server: `connect` it to any transport of the SDK. */
  readonly server: Server;
  /** Calls under way. */
  readonly running: number;
  /** Forgets the subscriptions that a caller with other rights may not have. */
  readonly subscriptions: Subscriptions;
}

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** Who may do everything: the person who started the process. */
const OPERATOR: Caller = { right: "operate" };

/** JSON-RPC: a resource that is not there, as MCP has it. */
const RESOURCE_NOT_FOUND = -32_002;

export interface ServerParts {
  readonly sync: MemorySynchronizer;
  readonly feed: ResourceFeed;
  readonly sdk: ServerSdk;
  /** Where updates of resources go. @default the connection, at once */
  readonly sink?: UpdateSink;
}

/**
 * An MCP server on a synchronizer, for one connection: `await server.connect(transport)`. Closing the connection ends its
 * calls and its subscriptions; the synchronizer stays open.
 * @throws {ConfigurationError} The package @modelcontextprotocol/sdk is not installed.
 */
export async function createMcpServer(sync: MemorySynchronizer, options: McpServerOptions = {}): Promise<Server> {
  const { log = silentLog } = options;
  return serverOf({ sync, feed: new ResourceFeed({ sync, log }), sdk: await loadServerSdk() }, options).server;
}

/** As `createMcpServer`, on parts that several connections share. */
export function serverOf({ sync, feed, sdk, sink }: ServerParts, options: McpServerOptions): McpServer {
  const { namespace = DEFAULT_NAMESPACE, log = silentLog, caller: byDefault = OPERATOR } = options;
  const { callsMax = CALLS_MAX, callTimeoutMs = CALL_TIMEOUT_MS, checkTimeoutMs = CHECK_TIMEOUT_MS } = options;
  const { types } = sdk;
  const server = new sdk.Server(
    { name: "mnemosync", title: "mnemosync", version: packageVersion() },
    {
      capabilities: { tools: {}, resources: { subscribe: true } },
      instructions: instructionsOf(namespace),
      jsonSchemaValidator: NO_VALIDATOR,
    },
  );
  const slots = new CallSlots(callsMax);
  const metrics = mcpMetricsOf(sync.metrics.registry);
  const tools = new ToolCalls({
    ...{ sync, log, namespace, slots, metrics },
    timeoutsMs: { short: callTimeoutMs, long: checkTimeoutMs },
  });
  const resources = new Resources(sync, namespace);
  const subscriptions = new Subscriptions(feed, sink ?? { send: (uri) => server.sendResourceUpdated({ uri }) });
  const callerOf = ({ authInfo }: Extra): Caller => (authInfo?.extra?.caller as Caller | undefined) ?? byDefault;

  server.setRequestHandler(types.ListToolsRequestSchema, async (_request, extra) => ({
    tools: tools.list(callerOf(extra)),
  }));
  server.setRequestHandler(types.CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: args = {} } = params;
    return await tools.call({
      name,
      args,
      caller: callerOf(extra),
      signal: extra.signal,
      onProgress: progressOf(extra),
    });
  });

  /** A resource has no result for failures: they are errors of the protocol. */
  const answered = async <Result>(method: string, extra: Extra, work: (until: AbortSignal) => Promise<Result>) => {
    const counted = metrics.count(method, extra.signal);
    try {
      const { hangUp } = callerOf(extra);
      const result = await slots.run(method, callTimeoutMs, { signal: extra.signal, hangUp }, work);
      counted(null);
      return result;
    } catch (error) {
      const failure = failureOf(error, log, method);
      counted(failure);
      const { code, message, retryable, details } = failure;
      const numbers: Readonly<Record<string, number>> = { NOT_FOUND: RESOURCE_NOT_FOUND, INTERNAL: -32_603 };
      const data = { code, retryable, ...details };
      throw new sdk.types.McpError(numbers[code] ?? (retryable ? -32_000 : -32_602), message, data);
    }
  };
  server.setRequestHandler(types.ListResourcesRequestSchema, ({ params }, extra) =>
    answered("resources/list", extra, (until) => resources.list(params?.cursor, callerOf(extra), until)),
  );
  server.setRequestHandler(types.ListResourceTemplatesRequestSchema, async () => ({
    resourceTemplates: [{ ...MEMORY_TEMPLATE }],
  }));
  server.setRequestHandler(types.ReadResourceRequestSchema, ({ params }, extra) =>
    answered("resources/read", extra, (until) => resources.read(params.uri, callerOf(extra), until)),
  );
  server.setRequestHandler(types.SubscribeRequestSchema, ({ params }, extra) =>
    answered("resources/subscribe", extra, async () => {
      await subscriptions.add(params.uri, resources.keyOf(params.uri, callerOf(extra)));
      return {};
    }),
  );
  server.setRequestHandler(types.UnsubscribeRequestSchema, async ({ params }) => {
    subscriptions.remove(params.uri);
    return {};
  });
  server.onclose = () => subscriptions.close();
  server.onerror = (error) => log.debug({ error: error.message }, "mcp.connection_failed");
  return {
    server,
    subscriptions,
    get running() {
      return slots.running;
    },
  };
}

/** Of the client's schemas, which no call here uses: the SDK would make a compiler of schemas for each connection. */
const NO_VALIDATOR = {
  getValidator: () => {
    throw new Error("the server asks the client for nothing");
  },
};

function instructionsOf(namespace: string | null): string {
  const where =
    namespace === null ? "Each call names its namespace." : `All calls are about the namespace ${namespace}.`;
  return (
    "Long-term memory. recall before you answer what may have been said before; remember what will matter later, one fact " +
    `per memory; update or forget what is no longer true. ${where} A failed call says what to do next.`
  );
}

/** Tells the client of progress where it asked, one message at a time: while one is being sent, those in between are left out. */
function progressOf(extra: Extra): IncomingProgress {
  const progressToken = extra._meta?.progressToken;
  if (progressToken === undefined) return () => undefined;
  let sending = false;
  let last = -1;
  return (progress, total, message) => {
    if (sending || progress <= last) return;
    sending = true;
    last = progress;
    const params = { progressToken, progress, message, ...(total !== undefined && { total }) };
    extra
      .sendNotification({ method: "notifications/progress", params })
      .catch(() => undefined) // The connection is gone, and the call ends with it.
      .finally(() => {
        sending = false;
      });
  };
}

type IncomingProgress = (progress: number, total: number | undefined, message: string) => void;
