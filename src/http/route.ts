import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type * as z from "zod";
import type { EffectiveOptions } from "../config/options.ts";
import { lazily } from "../domain/lazily.ts";
import type { Log, MemorySynchronizer } from "../index.ts";
import type { HttpSessions } from "../mcp/http-sessions.ts";
import type { ConsoleFiles } from "./console-files.ts";
import type { StreamCaller } from "./event-stream.ts";
import type { EventStreams } from "./event-streams.ts";
import type { Identity, ListedKey } from "./keys.ts";
import type { Scope } from "./keys-file.ts";
import type { BodyLimits } from "./limits.ts";
import type { StatusSamples } from "./status-samples.ts";

/** A JSON merge patch, RFC 7396. */
export const MEDIA_TYPE_MERGE_PATCH = "application/merge-patch+json";

/** The service as handlers see it. */
export interface Service {
  /** @throws {HttpProblem} 503 until the stores are connected, and again once the service stops. */
  readonly sync: MemorySynchronizer;
  readonly log: Log;
  /** Why the service is not ready; null when it is. */
  readonly notReady: string | null;
  /** Fires when the service stops: streams end. */
  readonly stopping: AbortSignal;
  /** Room for answers that last: each is counted. */
  readonly streams: EventStreams;
  /** Milliseconds that a reader of a stream may take nothing. */
  readonly stallTimeoutMs: number;
  /** The sessions of MCP clients. @throws {HttpProblem} 404: MCP is turned off; 503 as `sync` does. */
  mcp(): Promise<HttpSessions>;
  /** The console's files. @throws {HttpProblem} 404: it is turned off, or was not built. */
  console(): Promise<ConsoleFiles>;
  /** The keys that the service takes; null: it requires none. */
  keys(): Promise<readonly ListedKey[] | null>;
  /** The last hour of this node's figures; null until the stores are connected, and without a console. */
  readonly samples: StatusSamples | null;
  /** Whether an owner of keys has one that is valid. */
  isActiveOwner(owner: string): Promise<boolean>;
  /** The text of the OpenAPI document: the routes as this service is set up. */
  openApi(): Promise<string>;
}

export interface RouteRequest<Params, Query, Body> extends StreamCaller {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Bytes of the JSON body, once it is inflated; 0 without one. */
  readonly bodyBytes: number;
  readonly headers: IncomingHttpHeaders;
  readonly identity: Identity;
  /** Fires when the caller hangs up. */
  readonly signal: AbortSignal;
  /** For calls that read memories: bounds what the answer takes. @throws {HttpProblem} 422: too large; 503: no room now. */
  readonly onBytes: (bytes: number) => void;
}

/** At most one of `body`, `text` and `stream`; with none of them the answer is empty. */
export interface RouteReply {
  readonly status: number;
  /** A JSON document. */
  readonly body?: unknown;
  /** Any other text; `headers` name its type. */
  readonly text?: string;
  /** Takes over the response and ends it. The request's body counts as held until a promise settles that it returns. */
  readonly stream?: (response: ServerResponse) => void | Promise<void>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Builds a schema: a service uses few of them, the OpenAPI document all. */
export type SchemaOf<Schema extends z.ZodType = z.ZodType> = () => Schema;

export interface ResponseDescription {
  readonly description: string;
  readonly schema?: SchemaOf;
  /** @default "application/json" */
  readonly mediaType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The callers of a route: everyone, or keys with a scope; `everywhere`: only keys that are bound to no namespace. */
export type Access = "public" | { readonly scope: Scope; readonly everywhere?: boolean };

/** Access of routes that concern all namespaces and change how the service works. */
export const OPERATOR: Access = { scope: "admin", everywhere: true };

export type HttpOptions = EffectiveOptions["http"];
export type McpOptions = EffectiveOptions["mcp"];

/** A list of entries in a body. */
export interface BodyList {
  readonly field: string;
  readonly lengthMax: number;
  readonly entry: SchemaOf;
  /** The body's schema but for the entries, which pass as they are. */
  readonly rest: SchemaOf;
}

/** One route: the server registers it and the OpenAPI document describes it, from the same declaration. */
export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** With `{parameters}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  /** A function where an option decides. */
  readonly access: Access | ((http: HttpOptions) => Access);
  readonly params?: SchemaOf<z.ZodObject>;
  readonly query?: SchemaOf<z.ZodObject>;
  readonly body?: SchemaOf;
  /** The long list that a body has: its entries are checked over several turns of the event loop. */
  readonly bodyList?: BodyList;
  /** How large the body may be. @default `ORDER_LIMITS` */
  readonly bodyLimits?: BodyLimits;
  /** The media type of the body, which is JSON in any case. @default "application/json" */
  readonly bodyMediaType?: typeof MEDIA_TYPE_MERGE_PATCH;
  /** A stream of JSON lines instead of one document. */
  readonly bodyIsLines?: boolean;
  /** Whether the body may be gzip, and the answer is where the caller accepts it. @default false */
  readonly compresses?: boolean;
  /** Request headers that the route reads, with their meaning. */
  readonly requestHeaders?: Readonly<Record<string, string>>;
  /** Set on every answer in place of the server's defaults of the same name, e.g. a page's `content-security-policy`. */
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly responses: Readonly<Record<number, ResponseDescription>>;
  readonly handle: (request: RouteRequest<never, never, never>, service: Service) => Promise<RouteReply>;
}

/** The routes of one part of the service, under one tag of the OpenAPI document. */
export interface RouteGroup {
  readonly tag: string;
  /** Of the tag: one of the groups that share a tag has it. */
  readonly description?: string;
  readonly routes: readonly Route[];
}

export function accessOf({ access }: Route, http: HttpOptions): Access {
  return typeof access === "function" ? access(http) : access;
}

type OutputOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** Ties the types of a handler to the declaration of its route, whose schemas are built by its first request. */
export function route<
  Params extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(
  declaration: Omit<Route, "handle" | "params" | "query" | "body"> & {
    readonly params?: () => Params;
    readonly query?: () => Query;
    readonly body?: () => Body;
    readonly handle: (
      request: RouteRequest<OutputOf<Params>, OutputOf<Query>, Body extends z.ZodType ? z.output<Body> : Readable>,
      service: Service,
    ) => Promise<RouteReply>;
  },
): Route {
  const { params, query, body } = declaration;
  const schemas = {
    ...(params && { params: lazily(params) }),
    ...(query && { query: lazily(query) }),
    ...(body && { body: lazily(body) }),
  };
  return { ...declaration, ...schemas } as unknown as Route;
}
