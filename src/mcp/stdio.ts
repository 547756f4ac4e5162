import type { Readable, Writable } from "node:stream";
import type { MemorySynchronizer } from "../index.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import { silentLog } from "../runtime/log.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { Caller } from "./caller.ts";
import { serverOf } from "./mcp-server.ts";
import { ResourceFeed } from "./resource-feed.ts";
import { loadServerSdk, loadStdio } from "./sdk.ts";
import type { McpServerOptions } from "./server-options.ts";

export interface StdioOptions extends McpServerOptions {
  /** Ends the connection. */
  readonly signal?: AbortSignal | undefined;
  /** @default standard input of the process */
  readonly input?: Readable | undefined;
  /** @default standard output of the process: nothing else may write there */
  readonly output?: Writable | undefined;
}

/** Bytes of a message, at most: of a longer one the connection ends. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

const OPERATOR: Caller = { right: "operate" };

/**
 * Serves one client over standard input and output. Resolves once the client is gone (its end of either pipe is closed), or `signal`
 * fires; calls under way are aborted then, and what they had committed stays, whole.
 * @throws {ConfigurationError} The package @modelcontextprotocol/sdk is not installed.
 */
export async function serveStdio(sync: MemorySynchronizer, options: StdioOptions = {}): Promise<void> {
  const { input = process.stdin, output = process.stdout, log = silentLog, caller = OPERATOR } = options;
  const [sdk, StdioServerTransport] = await Promise.all([loadServerSdk(), loadStdio()]);
  const gone = new LinkedAbort(options.signal);
  const leave = (): void => gone.abort(new Error("the client is gone"));
  const feed = new ResourceFeed({ sync, log });
  const parts = { sync, feed, sdk, sink: { send: sendUpdate } };
  const { server } = serverOf(parts, { ...options, caller: { ...caller, hangUp: gone.signal } });
  const transport = new StdioServerTransport(input, output, { maxBufferSize: MESSAGE_BYTES_MAX });
  // The SDK's transport does not look for the end of its input, and waits for room in a pipe that nobody reads any more.
  for (const event of ["end", "close", "error"]) input.once(event, leave);
  for (const event of ["close", "error"]) output.once(event, leave);
  const closed = server.onclose;
  server.onclose = () => {
    closed?.();
    leave();
  };
  try {
    await server.connect(transport);
    await new Promise<void>((resolve) => {
      if (gone.signal.aborted || input.readableEnded || input.destroyed) resolve();
      else onAbort(gone.signal, resolve);
    });
  } finally {
    await server.close();
    await feed.stop();
    gone.release();
    for (const event of ["end", "close", "error"]) input.off(event, leave);
    output.off("close", leave); // The listener for errors stays: a write may fail after the end.
  }

  async function sendUpdate(uri: string): Promise<void> {
    await server.sendResourceUpdated({ uri });
  }
}
