import { randomUUID } from "node:crypto";
import type { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { Caller } from "./caller.ts";
import { type McpServer, type ServerParts, serverOf } from "./mcp-server.ts";
import type { McpServerOptions } from "./server-options.ts";
import { UpdateGate } from "./update-gate.ts";

/** One request to `/mcp`, once its caller is known and its body is read. */
export interface McpRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of a POST. */
  readonly body?: unknown;
  readonly caller: Caller;
  /** Names the key in limits. */
  readonly keyId: string;
  /** The same for a key and the one that replaces it: whose session it is. */
  readonly owner: string;
}

/** One MCP session over HTTP: a server of the SDK and its transport, from `initialize` to DELETE or to the end of its idle time. */
export class HttpSession {
  readonly id = randomUUID();
  readonly keyId: string;
  readonly owner: string;
  /** Null: several. */
  readonly namespace: string | null;
  /** For the stream of the session: open while it takes updates. */
  readonly gate = new UpdateGate();
  readonly #transport: WebStandardStreamableHTTPServerTransport;
  readonly #mcp: McpServer;
  readonly #now: () => number;
  #requests = 0;
  #usedAt: number;
  #initialized = false;

  constructor(
    { keyId, owner }: Pick<McpRequest, "keyId" | "owner">,
    parts: Omit<ServerParts, "sink">,
    Transport: typeof WebStandardStreamableHTTPServerTransport,
    options: McpServerOptions & { readonly now: () => number },
  ) {
    this.keyId = keyId;
    this.owner = owner;
    this.namespace = options.namespace ?? null;
    this.#now = options.now;
    this.#usedAt = options.now();
    this.#transport = new Transport({
      sessionIdGenerator: () => this.id,
      onsessioninitialized: () => {
        this.#initialized = true;
      },
    });
    const send = async (uri: string): Promise<void> => {
      await this.gate.pass();
      await this.#mcp.server.sendResourceUpdated({ uri });
    };
    this.#mcp = serverOf({ ...parts, sink: { send } }, options);
  }

  /** Whether the client's `initialize` was accepted. */
  get isInitialized(): boolean {
    return this.#initialized;
  }

  /** Calls under way. */
  get running(): number {
    return this.#mcp.running;
  }

  get isBusy(): boolean {
    return this.#requests > 0 || this.#mcp.running > 0;
  }

  /** Milliseconds without a request, a stream or a call; 0 while there is one. */
  get idleMs(): number {
    return this.isBusy ? 0 : this.#now() - this.#usedAt;
  }

  /** Must be called once, first. @param onClose the session has ended: by its client, or by `close`. */
  async open(onClose: () => void): Promise<void> {
    await this.#mcp.server.connect(this.#transport);
    const closed = this.#mcp.server.onclose;
    this.#mcp.server.onclose = () => {
      closed?.();
      this.gate.close();
      onClose();
    };
  }

  /**
   * Answers a request. The session counts as busy until `done` is called: once the answer is sent, or nobody takes it any more.
   */
  async answer({ method, headers, body, caller }: McpRequest): Promise<{ response: Response; done: () => void }> {
    this.#requests++;
    let isDone = false;
    const done = (): void => {
      if (isDone) return;
      isDone = true;
      this.#requests--;
      this.#usedAt = this.#now();
    };
    try {
      this.#mcp.subscriptions.keepOnly((namespace) => caller.mayTouch?.(namespace) !== false);
      // The address is not the client's: the transport reads the method and the headers only.
      const request = new Request("http://localhost/mcp", { method, headers: plainHeaders(headers) });
      const authInfo = { token: "", clientId: this.keyId, scopes: [], extra: { caller } };
      const response = await this.#transport.handleRequest(request, { parsedBody: body, authInfo });
      return { response, done };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** Aborts the calls under way. Safe twice. */
  async close(): Promise<void> {
    await this.#mcp.server.close();
  }
}

/** The headers that the transport reads: no credentials among them. */
const READ_HEADERS = ["accept", "content-type", "mcp-session-id", "mcp-protocol-version", "last-event-id"];

function plainHeaders(headers: McpRequest["headers"]): Record<string, string> {
  return Object.fromEntries(
    READ_HEADERS.flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value] as const] : [];
    }),
  );
}
