import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Log, MemorySynchronizer } from "../index.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Identity, Scope } from "./keys.ts";

/** What handlers work with. */
export interface Service {
  /** @throws {HttpProblem} 503 until the stores are connected, and again once the service stops. */
  readonly sync: MemorySynchronizer;
  readonly jobs: Jobs;
  readonly log: Log;
  /** Why the service is not ready; null when it is. */
  readonly notReady: string | null;
  /** Fires when the service stops: streams end. */
  readonly stopping: AbortSignal;
}

export interface RouteRequest<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly headers: IncomingHttpHeaders;
  readonly identity: Identity;
  /** Fires when the caller hangs up. */
  readonly signal: AbortSignal;
}

export interface RouteReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Takes over the response and ends it. */
  readonly stream?: (response: ServerResponse) => void;
}

interface ResponseDescription {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** @default "application/json" */
  readonly mediaType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Who may call a route: anybody, or a key with a scope; `everywhere`: one that is bound to no namespace. */
export type Access = "public" | { readonly scope: Scope; readonly everywhere?: boolean };

/** One route: what the service registers and what the OpenAPI document says, from the same declaration. */
export interface Route {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** With `{parameters}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly tag: "memories" | "history" | "search" | "operation" | "jobs" | "conflicts" | "queue";
  readonly access: Access;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** A stream of JSON lines instead of one document. */
  readonly bodyIsLines?: boolean;
  /** Request headers that the route heeds, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly responses: Readonly<Record<number, ResponseDescription>>;
  readonly handle: (request: RouteRequest<never, never, never>, service: Service) => Promise<RouteReply>;
}

type OutputOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** Ties the types of a handler to what its route declares. */
export function route<
  Params extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(
  declaration: Omit<Route, "handle" | "params" | "query" | "body"> & {
    readonly params?: Params;
    readonly query?: Query;
    readonly body?: Body;
    readonly handle: (
      request: RouteRequest<OutputOf<Params>, OutputOf<Query>, Body extends z.ZodType ? z.output<Body> : Readable>,
      service: Service,
    ) => Promise<RouteReply>;
  },
): Route {
  return declaration as unknown as Route;
}
