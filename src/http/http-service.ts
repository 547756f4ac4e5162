import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { ConfigurationError, type Log, type MemorySynchronizer, MnemosyncError } from "../index.ts";
import type { HttpSessions } from "../mcp/http-sessions.ts";
import { mcpMetricsOf } from "../mcp/metrics.ts";
import { backoffCeilingMs } from "../runtime/backoff.ts";
import { pause, untilAborted, withDeadline } from "../runtime/deadline.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import type { Loop } from "../runtime/loop.ts";
import { onAbort } from "../runtime/on-abort.ts";
import { type ConsoleFiles, readConsoleFiles } from "./console-files.ts";
import { EventStreams } from "./event-streams.ts";
import { KeyRing, type ListedKey } from "./keys.ts";
import { isLoopback } from "./loopback.ts";
import { OpenConnections } from "./open-connections.ts";
import { openApiText } from "./openapi-text.ts";
import { HttpProblem } from "./problem.ts";
import type { HttpOptions, McpOptions, Service } from "./route.ts";
import { StatusSamples } from "./status-samples.ts";
import { showStreams } from "./stream-metrics.ts";
import { watchSubscriptionOwners } from "./subscription-owners.ts";

export interface HttpServiceOptions {
  readonly http: HttpOptions;
  /** Opens the stores. Called again after a retryable failure. */
  readonly connect: (signal: AbortSignal) => Promise<MemorySynchronizer>;
  readonly log: Log;
  /** Whether only probes and metrics are answered: the process is there for its background work. @default false */
  readonly isProbed?: boolean;
  /** Absent: the service does not answer MCP. */
  readonly mcp?: McpOptions;
  /** Overrides `http.keysFile`. */
  readonly keys?: KeyRing;
  /** @default that of the package */
  readonly consoleFolder?: string;
  /** Milliseconds that a caller may take to send a request's headers. @default 10_000 */
  readonly headersTimeoutMs?: number;
  /** Milliseconds between two looks whether the owners of webhooks still have their keys. @default 30_000 */
  readonly ownersIntervalMs?: number;
}

interface Server {
  readonly app: FastifyInstance;
  readonly connections: OpenConnections;
}

/** Longest pause between two attempts to connect, in milliseconds. The first one is 200. */
const CONNECT_DELAY_MAX_MS = 5_000;
const OWNERS_INTERVAL_MS = 30_000;

/**
 * The service: a synchronizer behind HTTP.
 *
 *   new ──listen──► starting ──connect──► ready ──stop──► stopping ──► stopped (final)
 *
 * The server listens before the stores are connected: `/healthz` answers at once, every other route answers 503 until
 * `connect` resolves. Call `connect` before awaiting `listen`: the processes of the stores then start while this process
 * loads the web framework.
 */
export class HttpService implements Service {
  readonly log: Log;
  readonly streams: EventStreams;
  readonly #options: HttpServiceOptions;
  readonly #keys: KeyRing | null;
  readonly #stop = new AbortController();
  #loading: Promise<Server> | null = null;
  #connecting: Promise<void> | null = null;
  #sync: MemorySynchronizer | null = null;
  #owners: Loop | null = null;
  #stopped: Promise<boolean> | null = null;
  #openApi: Promise<string> | null = null;
  #mcp: Promise<HttpSessions> | null = null;
  #console: Promise<ConsoleFiles> | null = null;
  #samples: StatusSamples | null = null;

  private constructor(options: HttpServiceOptions, keys: KeyRing | null) {
    this.#options = options;
    this.#keys = keys;
    this.log = options.log;
    this.streams = new EventStreams(options.http, this.#stop.signal, options.log);
  }

  /** @throws {ConfigurationError} The options name neither keys nor `authentication: "none"`. */
  static async create(options: HttpServiceOptions): Promise<HttpService> {
    return new HttpService(options, await keyRing(options));
  }

  /** The server without a network, for tests. A second call returns the same one. */
  async load(): Promise<FastifyInstance> {
    return (await this.#load()).app;
  }

  get sync(): MemorySynchronizer {
    if (this.#sync !== null) return this.#sync;
    throw new HttpProblem(503, "NOT_READY", this.notReady ?? "not connected", {
      retryable: true,
      headers: { "retry-after": "1" },
    });
  }

  get notReady(): string | null {
    if (this.#stop.signal.aborted) return "the service is stopping";
    return this.#sync === null ? "the service is connecting to its stores" : null;
  }

  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  async isActiveOwner(owner: string): Promise<boolean> {
    return (await this.#keys?.hasOwner(owner)) ?? true;
  }

  get stallTimeoutMs(): number {
    return this.#options.http.streamStallTimeoutMs;
  }

  async mcp(): Promise<HttpSessions> {
    const { mcp } = this.#options;
    if (mcp?.enabled !== true) throw new HttpProblem(404, "ROUTE_NOT_FOUND", "MCP is turned off: setting mcp.enabled");
    const { sync, log } = this;
    this.#mcp ??= (async () => {
      // Loaded by the first client: most services have none, and the SDK takes as long to load as the rest.
      const { HttpSessions } = await import("../mcp/http-sessions.ts");
      return await HttpSessions.open({ sync, log, ...mcp });
    })().catch((error: unknown) => {
      this.#mcp = null; // The next request tries again.
      throw error;
    });
    return await this.#mcp;
  }

  async console(): Promise<ConsoleFiles> {
    const { http, consoleFolder } = this.#options;
    if (!http.console) {
      throw new HttpProblem(404, "ROUTE_NOT_FOUND", "the console is turned off: setting http.console");
    }
    this.#console ??= readConsoleFiles(consoleFolder).catch((error: unknown) => {
      this.#console = null; // The next request looks again.
      throw error;
    });
    return await this.#console;
  }

  async keys(): Promise<readonly ListedKey[] | null> {
    return this.#keys === null ? null : await this.#keys.list();
  }

  get samples(): StatusSamples | null {
    return this.#samples;
  }

  openApi(): Promise<string> {
    this.#openApi ??= openApiText(this.#options.http).catch((error: unknown) => {
      this.#openApi = null; // The next request looks again.
      throw error;
    });
    return this.#openApi;
  }

  /** @returns the address. @throws {ConfigurationError} The server cannot listen on the configured address. */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options.http;
    const app = await this.load();
    try {
      await app.listen({ host, port });
    } catch (cause) {
      throw new ConfigurationError(`cannot listen on ${host}:${port}: ${(cause as Error).message}`, { cause });
    }
    return app.server.address() as AddressInfo;
  }

  /**
   * Opens the stores, retries while they are unavailable, and starts the background loops. Call it once.
   * @throws an error that a retry cannot mend: wrong options, a database that is too new. @throws the reason of `signal`,
   *   or of the stop.
   */
  async connect(signal: AbortSignal): Promise<void> {
    const until = new LinkedAbort(signal);
    const forget = onAbort(this.#stop.signal, () => until.abort(this.#stop.signal.reason));
    this.#connecting = this.#connect(until.signal);
    this.#connecting.catch(() => undefined); // The await below reports the error; a stop only waits for the end.
    try {
      await this.#connecting;
    } finally {
      forget();
      until.release();
    }
  }

  async #connect(signal: AbortSignal): Promise<void> {
    for (let failures = 1; ; failures++) {
      signal.throwIfAborted();
      try {
        const sync = await this.#options.connect(signal);
        if (signal.aborted) await sync.close();
        signal.throwIfAborted();
        this.#sync = sync;
        sync.start();
        this.#watchOwners(sync);
        this.#takeSamples(sync);
        onAbort(this.stopping, showStreams(sync.metrics.registry, this.streams));
        // From the start, so that the first session shows as an increase.
        if (this.#options.mcp?.enabled === true) mcpMetricsOf(sync.metrics.registry);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof MnemosyncError && error.retryable)) throw error;
        const waitMs = backoffCeilingMs(failures, { baseMs: 200, maxMs: CONNECT_DELAY_MAX_MS });
        this.log.warn({ error: error.message, waitMs }, "http.stores_away");
        await pause(waitMs, signal);
      }
    }
  }

  /**
   * Finishes the running requests, refuses new ones, then ends jobs and closes the stores. Takes at most twice
   * `http.shutdownTimeoutMs`: once for the requests, whose connections are cut afterwards, and once for the stores. A
   * second call returns the same promise.
   * @returns whether everything ended in time. Acknowledged writes are committed in either case.
   */
  stop(): Promise<boolean> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<boolean> {
    const { shutdownTimeoutMs } = this.#options.http;
    this.#stop.abort(new Error("the service is stopping"));
    const server = await this.#loading?.catch(() => undefined); // The caller of load() got the error.
    const inTime = await this.#within(shutdownTimeoutMs, "requests", async () => {
      server?.connections.drain();
      await server?.app.close();
    });
    if (!inTime) server?.connections.destroy();
    const closed = await this.#within(shutdownTimeoutMs, "stores", async () => {
      await this.#connecting?.catch(() => undefined); // The caller of connect() got the error.
      await this.#owners?.stop();
      await this.#samples?.stop();
      await (await this.#mcp?.catch(() => null))?.close();
      await this.#sync?.close();
    });
    return inTime && closed;
  }

  #watchOwners(sync: MemorySynchronizer): void {
    const { log } = this;
    if (this.#keys === null) return;
    const { ownersIntervalMs: intervalMs = OWNERS_INTERVAL_MS } = this.#options;
    this.#owners = watchSubscriptionOwners({ sync, keys: this.#keys, log, intervalMs });
    this.#owners.start();
  }

  #takeSamples({ metrics }: MemorySynchronizer): void {
    const { http, isProbed = false } = this.#options;
    if (!http.console || isProbed) return;
    this.#samples = new StatusSamples({ registry: metrics.registry, log: this.log });
    this.#samples.start();
  }

  #load(): Promise<Server> {
    this.#loading ??= (async () => {
      // Loaded here: the framework takes as long to load as the stores take to connect.
      const { createServer } = await import("./server.ts");
      const { http, headersTimeoutMs, isProbed = false } = this.#options;
      const limit = headersTimeoutMs === undefined ? {} : { headersTimeoutMs };
      const groups = isProbed ? { groups: [(await import("./routes/operation.ts")).probeGroup] } : {};
      const app = createServer({ http, service: this, keys: this.#keys, ...limit, ...groups });
      return { app, connections: new OpenConnections(app.server) };
    })();
    return this.#loading;
  }

  async #within(milliseconds: number, what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await withDeadline(milliseconds, undefined, (signal) => untilAborted(work(), signal));
      return true;
    } catch (error) {
      this.log.warn({ what, milliseconds, error: (error as Error).message }, "http.stop_incomplete");
      return false;
    }
  }
}

async function keyRing({ http, keys, log }: HttpServiceOptions): Promise<KeyRing | null> {
  if (keys !== undefined) return keys;
  if (http.authentication === "none") {
    if (isLoopback(http.host)) return null;
    throw new ConfigurationError(
      `http.authentication is none and http.host is ${http.host}: without keys the service listens on 127.0.0.1 only`,
    );
  }
  if (http.keysFile !== undefined) return await KeyRing.fromFile(http.keysFile, { log });
  throw new ConfigurationError(
    "the settings do not say which callers are allowed: name a file of keys with http.keysFile (make one with " +
      "`mnemosync key add`), or set http.authentication to none for calls from this machine only",
  );
}
