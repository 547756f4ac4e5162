import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import type { EffectiveOptions } from "../../src/config/options.ts";
import { parseOptions } from "../../src/config/parse.ts";
import { HttpService } from "../../src/http/http-service.ts";
import { createKey, KeyRing } from "../../src/http/keys.ts";
import type { KeyEntry } from "../../src/http/keys-file.ts";
import { type Log, silentLog } from "../../src/runtime/log.ts";
import { openWorld, type World, type WorldOptions } from "./world.ts";

export interface TestServiceOptions {
  /** Keys beside those of `newKeys`. */
  readonly entries?: readonly KeyEntry[];
  readonly world?: WorldOptions;
  readonly http?: Partial<EffectiveOptions["http"]>;
  readonly mcp?: Partial<EffectiveOptions["mcp"]>;
  /** @default silent */
  readonly log?: Log;
  readonly headersTimeoutMs?: number;
  /** Replaces the keys of `keys`. */
  readonly keyRing?: KeyRing;
  /** The service asks for no keys. @default false */
  readonly isKeyless?: boolean;
  /** @default that of the package */
  readonly consoleFolder?: string;
  /** Milliseconds between two looks at the owners of webhooks. @default 30_000 */
  readonly ownersIntervalMs?: number;
}

export interface TestRequest {
  /** @default the admin key of all namespaces; null: none */
  readonly key?: string | null;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** @default another one each time */
  readonly from?: string;
}

/** The service on a world of its own, called without a network. */
export class TestService {
  readonly world: World;
  readonly service: HttpService;
  /** `admin`, `writer` and `reader` of all namespaces; `tenant` writes, and administers nothing, in `tenant-a` alone. */
  readonly keys: Readonly<Record<"admin" | "writer" | "reader" | "tenant" | "boundAdmin" | "expired", string>>;

  readonly app: FastifyInstance;
  #requests = 0;

  constructor(world: World, service: HttpService, app: FastifyInstance, keys: TestService["keys"]) {
    this.world = world;
    this.service = service;
    this.app = app;
    this.keys = keys;
  }

  async request(
    method: "GET" | "PUT" | "POST" | "DELETE" | "OPTIONS" | "HEAD" | "PATCH",
    url: string,
    { key = this.keys.admin, body, headers = {}, from }: TestRequest = {},
  ): Promise<LightMyRequestResponse> {
    const isRaw = typeof body === "string" || Buffer.isBuffer(body);
    const options: InjectOptions = {
      method,
      url,
      remoteAddress: from ?? `10.0.${(this.#requests >> 8) % 256}.${this.#requests++ % 256}`,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { payload: isRaw ? (body as string) : JSON.stringify(body) }),
    };
    return await this.app.inject(options);
  }
}

export const MEMORY = { content: "a memory", memoryType: "episodic" } as const;

export function newKeys(): { keys: TestService["keys"]; entries: KeyEntry[] } {
  const past = new Date(Date.now() - 1_000).toISOString();
  const made = {
    admin: createKey({ id: "admin", scope: "admin", namespaces: "*" }),
    writer: createKey({ id: "writer", scope: "write", namespaces: "*" }),
    reader: createKey({ id: "reader", scope: "read", namespaces: "*" }),
    tenant: createKey({ id: "tenant", scope: "write", namespaces: ["tenant-a"] }),
    boundAdmin: createKey({ id: "bound-admin", scope: "admin", namespaces: ["tenant-a"] }),
    expired: createKey({ id: "expired", scope: "admin", namespaces: "*", expiresAt: past }),
  };
  const keys = Object.fromEntries(Object.entries(made).map(([name, { key }]) => [name, key])) as TestService["keys"];
  return { keys, entries: Object.values(made).map(({ entry }) => entry) };
}

/** A service for one test. */
export async function openService(
  t: { onTestFinished: (finish: () => Promise<void>) => void },
  options: TestServiceOptions = {},
): Promise<TestService> {
  return await serviceOn(t, await openWorld(t, options.world), options);
}

/** A service on a world that is open, as it is after a restart. */
export async function serviceOn(
  t: { onTestFinished: (finish: () => Promise<void>) => void },
  world: World,
  options: Omit<TestServiceOptions, "world"> = {},
): Promise<TestService> {
  const { keys, entries } = newKeys();
  const service = await HttpService.create({
    http: httpOptions(options.http),
    mcp: { ...defaults().mcp, ...options.mcp },
    connect: async () => world.sync,
    log: options.log ?? silentLog,
    ...(options.headersTimeoutMs !== undefined && { headersTimeoutMs: options.headersTimeoutMs }),
    ...(options.consoleFolder !== undefined && { consoleFolder: options.consoleFolder }),
    ...(options.ownersIntervalMs !== undefined && { ownersIntervalMs: options.ownersIntervalMs }),
    ...(options.isKeyless !== true && {
      keys: options.keyRing ?? KeyRing.of([...entries, ...(options.entries ?? [])], { log: silentLog }),
    }),
  });
  t.onTestFinished(async () => void (await service.stop()));
  await service.connect(new AbortController().signal);
  const app = await service.load();
  await app.ready();
  return new TestService(world, service, app, keys);
}

/** The defaults, without a rate limit that a busy test would meet. */
export function httpOptions(own: Partial<EffectiveOptions["http"]> = {}): EffectiveOptions["http"] {
  return { ...defaults().http, rateLimitPerSecond: 1_000_000, rateLimitBurst: 1_000_000, ...own };
}

function defaults(): EffectiveOptions {
  return parseOptions({ postgresUrl: "postgres://unused", redisUrl: "redis://unused" });
}
