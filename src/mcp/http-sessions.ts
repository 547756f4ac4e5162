import type { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { Log, MemorySynchronizer } from "../index.ts";
import { Loop } from "../runtime/loop.ts";
import { HttpSession, type McpRequest } from "./http-session.ts";
import { type McpMetrics, mcpMetricsOf } from "./metrics.ts";
import { ResourceFeed } from "./resource-feed.ts";
import { loadHttp, loadServerSdk, type ServerSdk } from "./sdk.ts";
import { SessionRefusal } from "./session-refusal.ts";

export interface HttpSessionsOptions {
  readonly sync: MemorySynchronizer;
  readonly log: Log;
  readonly sessionsMax: number;
  readonly sessionsPerKeyMax: number;
  readonly sessionIdleMs: number;
  readonly callsMax: number;
  readonly callTimeoutMs: number;
  readonly checkTimeoutMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export interface SessionAnswer {
  readonly response: Response;
  readonly session: HttpSession;
  /** Must be called once the answer is sent, or nobody takes it any more. */
  readonly done: () => void;
}

/** Looks for idle sessions in the time that they may be idle. */
const LOOKS = 4;

/** All MCP sessions of a service: a bounded number, of each key and in all. */
export class HttpSessions {
  readonly #options: HttpSessionsOptions;
  readonly #now: () => number;
  readonly #sdk: ServerSdk;
  readonly #transport: typeof WebStandardStreamableHTTPServerTransport;
  readonly #feed: ResourceFeed;
  readonly #sessions = new Map<string, HttpSession>();
  readonly #sweeper: Loop;
  readonly #metrics: McpMetrics;
  readonly #hide: () => void;

  private constructor(
    options: HttpSessionsOptions,
    sdk: ServerSdk,
    transport: typeof WebStandardStreamableHTTPServerTransport,
  ) {
    const { sync, log, sessionIdleMs, now = () => performance.now() } = options;
    this.#options = options;
    this.#now = now;
    this.#sdk = sdk;
    this.#transport = transport;
    this.#feed = new ResourceFeed({ sync, log });
    this.#metrics = mcpMetricsOf(sync.metrics.registry);
    this.#hide = this.#metrics.show(this);
    this.#sweeper = new Loop({
      name: "mcp-sessions",
      intervalMs: Math.ceil(sessionIdleMs / LOOKS),
      pass: async () => {
        await this.endIdle();
        return false;
      },
      log,
    });
  }

  /** @throws {ConfigurationError} The package @modelcontextprotocol/sdk is not installed. */
  static async open(options: HttpSessionsOptions): Promise<HttpSessions> {
    const sessions = new HttpSessions(options, await loadServerSdk(), await loadHttp());
    sessions.#sweeper.start();
    return sessions;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Calls under way, of all sessions. */
  get running(): number {
    return [...this.#sessions.values()].reduce((sum, { running }) => sum + running, 0);
  }

  /** Sessions with a stream, a request or a call under way. */
  get busy(): number {
    return [...this.#sessions.values()].filter(({ isBusy }) => isBusy).length;
  }

  /** Memories that sessions watch. */
  get watched(): number {
    return this.#feed.watched;
  }

  /**
   * Answers a request in its session; `initialize` begins one.
   * @param namespace of a new session; null: several. @throws {SessionRefusal}
   */
  async answer(request: McpRequest, namespace: string | null): Promise<SessionAnswer> {
    const id = request.headers["mcp-session-id"];
    if (id !== undefined) {
      const session = this.find(id, request.owner);
      return { session, ...(await session.answer(request)) };
    }
    if (request.method !== "POST" || !this.#sdk.types.isInitializeRequest(request.body)) {
      throw new SessionRefusal("no-session", "the request names no session (Mcp-Session-Id): begin with initialize");
    }
    this.#makeRoom(request.keyId);
    return await this.#begin(request, namespace);
  }

  /** The session of that id. Of another owner's there is nothing to see. @throws {SessionRefusal} */
  find(id: string | readonly string[], owner: string): HttpSession {
    const session = typeof id === "string" ? this.#sessions.get(id) : undefined;
    if (session?.owner === owner) return session;
    throw new SessionRefusal("unknown-session", "there is no such session, or it has ended: begin with initialize");
  }

  /** Ends the sessions that were idle for long enough. */
  async endIdle(): Promise<void> {
    const idle = [...this.#sessions.values()].filter(({ idleMs }) => idleMs >= this.#options.sessionIdleMs);
    for (const _ of idle) this.#metrics.noteSession("idle");
    await Promise.all(idle.map((session) => this.#end(session)));
  }

  /** Ends all sessions: calls under way are aborted. Safe twice. */
  async close(): Promise<void> {
    await this.#sweeper.stop();
    await Promise.all([...this.#sessions.values()].map((session) => this.#end(session)));
    await this.#feed.stop();
    this.#hide();
  }

  async #begin(request: McpRequest, namespace: string | null): Promise<SessionAnswer> {
    const { sync, log, callsMax, callTimeoutMs, checkTimeoutMs } = this.#options;
    const limits = { callsMax, callTimeoutMs, checkTimeoutMs };
    const parts = { sync, feed: this.#feed, sdk: this.#sdk };
    const session = new HttpSession(request, parts, this.#transport, { namespace, log, ...limits, now: this.#now });
    // Counted from here: many that begin at once are bounded too.
    this.#sessions.set(session.id, session);
    try {
      await session.open(() => this.#sessions.delete(session.id));
      const answer = await session.answer(request);
      if (session.isInitialized) this.#metrics.noteSession("begun");
      else await this.#end(session); // The transport's answer says why.
      return { session, ...answer };
    } catch (error) {
      await this.#end(session);
      throw error;
    }
  }

  /** Clients often vanish without a word, so a new session takes the place of the idlest one of its key. */
  #makeRoom(keyId: string): void {
    const { sessionsMax, sessionsPerKeyMax } = this.#options;
    const own = [...this.#sessions.values()].filter((session) => session.keyId === keyId);
    if (own.length < sessionsPerKeyMax && this.#sessions.size < sessionsMax) return;
    const [idlest] = own.filter(({ isBusy }) => !isBusy).sort((one, other) => other.idleMs - one.idleMs);
    if (idlest === undefined) {
      this.#metrics.noteSession("refused");
      const found = `this key has ${own.length} MCP sessions and the service ${this.#sessions.size}`;
      throw new SessionRefusal("full", `${found}, and at most ${sessionsPerKeyMax} and ${sessionsMax} may be: end one`);
    }
    this.#metrics.noteSession("replaced");
    void this.#end(idlest);
  }

  /** Never rejects: the session is forgotten, and what its end failed of is for the log. */
  async #end(session: HttpSession): Promise<void> {
    this.#sessions.delete(session.id);
    try {
      await session.close();
    } catch (error) {
      this.#options.log.warn({ keyId: session.keyId, error: (error as Error).message }, "mcp.session_end_failed");
    }
  }
}
