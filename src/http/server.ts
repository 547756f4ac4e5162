import type { Readable } from "node:stream";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { AbortedError, InternalError, MnemosyncError } from "../index.ts";
import { newUlid } from "../runtime/ulid.ts";
import { AnswerRoom } from "./answer-room.ts";
import { limited, readJson } from "./body.ts";
import { BodyMemory, type BodyPlace } from "./body-memory.ts";
import { checkedAddress, checkedBody } from "./checked-body.ts";
import { answerClientError, answerExpectation } from "./client-errors.ts";
import { compressed, inflate } from "./compression.ts";
import { allowedOrigins, Guard } from "./guard.ts";
import { stringifyInTurns } from "./json-answer.ts";
import type { Identity, KeyRing } from "./keys.ts";
import { type BodyLimits, limitsWithin, ORDER_LIMITS } from "./limits.ts";
import { onceClosed } from "./once-closed.ts";
import { asProblem, HttpProblem, MEDIA_TYPE_PROBLEM, problemDocument } from "./problem.ts";
import {
  accessOf,
  type HttpOptions,
  MEDIA_TYPE_MERGE_PATCH,
  type Route,
  type RouteGroup,
  type Service,
} from "./route.ts";
import { PAGE_GROUPS, ROUTE_GROUPS } from "./routes.ts";

declare module "fastify" {
  interface FastifyRequest {
    identity: Identity | null;
    /** The room that the request's JSON body takes; null without one. */
    bodyPlace: BodyPlace | null;
    /** Of the request's JSON body, once it is inflated. */
    bodyBytes: number;
  }
  interface FastifyContextConfig {
    bodyLimits?: BodyLimits;
    compresses?: boolean;
  }
}

export interface ServerOptions {
  readonly http: HttpOptions;
  readonly service: Service;
  /** Null: the service requires no keys. */
  readonly keys: KeyRing | null;
  /** @default the API and the pages */
  readonly groups?: readonly RouteGroup[];
  /** Milliseconds that a caller may take to send a request's headers. @default 10_000 */
  readonly headersTimeoutMs?: number;
}

const MEDIA_TYPES_LINES = ["application/x-ndjson", "application/jsonl", "application/ndjson"];

const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

const HEADERS_TIMEOUT_MS = 10_000;
/** Milliseconds between looks for connections whose time is up. Node's own 30,000 would make 40 s of the 10 s above. */
const TIMEOUT_CHECK_MS = 1_000;
/** Bodies that are held in memory at a time, as a multiple of the largest one. */
const BODIES_HELD_MAX = 4;
/** Longer than a load balancer keeps its connections, so that the balancer closes them first. */
const KEEP_ALIVE_MS = 72_000;
/** Characters of a memory id, with every byte percent-encoded. */
const PARAMETER_LENGTH_MAX = 512 * 3;

const CORS = {
  methods: ["GET", "PUT", "POST", "PATCH", "DELETE"],
  allowedHeaders: [
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "last-event-id",
    "mcp-session-id",
    "mcp-protocol-version",
  ],
  exposedHeaders: ["etag", "location", "mcp-session-id", "retry-after", "x-request-id"],
  maxAge: 600,
  strictPreflight: false,
};

/** The service's routes on an HTTP server that does not listen yet. */
export function createServer(options: ServerOptions): FastifyInstance {
  const {
    http,
    service,
    keys,
    groups = [...ROUTE_GROUPS, ...PAGE_GROUPS],
    headersTimeoutMs = HEADERS_TIMEOUT_MS,
  } = options;
  const app = fastify({
    requestTimeout: http.requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, headersTimeoutMs),
      requireHostHeader: false, // The hook below does: Node's own refusal is no problem document.
    },
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    genReqId: (request) => requestIdOf(request.headers["x-request-id"]),
    clientErrorHandler: (error, socket) => answerClientError(service.log, error, socket),
    frameworkErrors: (error, request, reply) => sendProblem(service, error, request, reply as FastifyReply),
  });
  app.server.on("checkExpectation", answerExpectation);
  app.server.maxConnections = http.connectionsMax;
  app.server.on("drop", () => service.log.warn({ connectionsMax: http.connectionsMax }, "http.connection_refused"));
  const guard = new Guard(keys, http);
  const answers = new AnswerRoom();
  app.decorateRequest("identity", null);
  app.decorateRequest("bodyPlace", null);
  app.decorateRequest("bodyBytes", 0);
  addParsers(app, http);
  app.addHook("onRequest", async (request, reply) => {
    void reply.headers(SECURITY_HEADERS).header("x-request-id", request.id);
    if (request.headers.host === undefined && request.raw.httpVersion === "1.1") {
      throw new HttpProblem(400, "MALFORMED_REQUEST", "a request of HTTP/1.1 needs a Host header");
    }
  });
  const origins = allowedOrigins(http);
  if (origins.length > 0) void app.register(import("./cors.ts"), { ...CORS, origin: origins });
  app.addHook("onResponse", async (request, reply) => {
    service.log.info(
      {
        requestId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        keyId: request.identity?.id ?? null,
        milliseconds: Math.round(reply.elapsedTime * 10) / 10,
      },
      "http.request",
    );
  });
  app.setErrorHandler((error, request, reply) => sendProblem(service, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(service, new HttpProblem(404, "ROUTE_NOT_FOUND", "there is no such route"), request, reply),
  );
  for (const route of groups.flatMap(({ routes }) => routes)) {
    const access = accessOf(route, http);
    app.route({
      method: route.method,
      config: {
        bodyLimits: limitsWithin(route.bodyLimits ?? ORDER_LIMITS, http),
        compresses: route.compresses ?? false,
      },
      url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
      onRequest: async (request, reply) => {
        if (route.responseHeaders !== undefined) void reply.headers(route.responseHeaders);
        request.identity = await guard.admit(request, access);
      },
      handler: async (request, reply) => {
        const room = answers.place(request.identity?.id ?? "");
        onceClosed(reply.raw, room.release);
        try {
          return await answer(route, service, request, reply, {
            isAdmitted: () => guard.stillAdmits(request),
            onBytes: room.onBytes,
          });
        } finally {
          // Not before: the work for a caller that hung up goes on, and its body stays in memory.
          request.bodyPlace?.release();
        }
      },
    });
  }
  return app;
}

/** Replaces the framework's schema compilers, which are slow to load. No route gives the framework a schema. */
function noCompiler(): never {
  throw new InternalError("a route gave the framework a schema: declare routes with zod");
}

function addParsers(app: FastifyInstance, http: HttpOptions): void {
  app.removeAllContentTypeParsers();
  const memory = new BodyMemory(http.bodyBytesMax * BODIES_HELD_MAX);
  app.addContentTypeParser(
    ["application/json", MEDIA_TYPE_MERGE_PATCH],
    async (request: FastifyRequest, payload: Readable) => {
      const { bodyLimits, compresses = false } = request.routeOptions.config;
      if (bodyLimits === undefined) throw new HttpProblem(404, "ROUTE_NOT_FOUND", "there is no such route");
      const place = memory.place(request.identity?.id ?? "");
      const declared = request.headers["content-length"];
      const counted: BodyPlace = {
        add: (bytes) => {
          request.bodyBytes += bytes;
          place.add(bytes);
        },
        release: () => place.release(),
      };
      const declaredBytes = declared === undefined ? undefined : Number(declared);
      let inflated: Readable | Buffer = payload;
      try {
        if (compresses) inflated = await inflate(payload, request.headers["content-encoding"], declaredBytes);
        return await readJson(inflated, declaredBytes, bodyLimits, counted);
      } catch (error) {
        place.release();
        throw error;
      } finally {
        if (inflated !== payload && !(inflated instanceof Uint8Array)) inflated.destroy(); // A bomb is not inflated any further than its flaw.
        request.bodyPlace = place;
      }
    },
  );
  app.addContentTypeParser(MEDIA_TYPES_LINES, { bodyLimit: http.importBytesMax }, (_request, payload, done) => {
    done(null, limited(payload, http.importBytesMax));
  });
}

async function answer(
  route: Route,
  service: Service,
  request: FastifyRequest,
  reply: FastifyReply,
  hooks: { isAdmitted: () => Promise<boolean>; onBytes: (bytes: number) => void },
): Promise<FastifyReply> {
  const hangUp = new AbortController();
  onceClosed(reply.raw, () => {
    if (!reply.raw.writableFinished) hangUp.abort(new AbortedError("the request"));
  });
  const wantsLines = route.bodyIsLines === true;
  const accepted = wantsLines ? MEDIA_TYPES_LINES : [route.bodyMediaType ?? "application/json"];
  const given = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (!accepted.includes(given) && (wantsLines || request.body !== undefined)) {
    throw new HttpProblem(415, "UNSUPPORTED_MEDIA_TYPE", `the body must be ${accepted[0]}`);
  }
  const checked = {
    params: checkedAddress(route.params, request.params),
    query: checkedAddress(route.query, request.query),
    body: wantsLines ? request.body : await checkedBody(route, request.body),
    bodyBytes: request.bodyBytes,
    headers: request.headers,
    identity: request.identity as Identity,
    signal: hangUp.signal,
    ...hooks,
  };
  const { status, body, text, headers = {}, stream } = await route.handle(checked as never, service);
  void reply.code(status).headers(headers);
  if (stream !== undefined) {
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) reply.raw.setHeader(name, value);
    reply.raw.statusCode = status;
    void reply.hijack();
    await stream(reply.raw);
    return reply;
  }
  if (body === undefined) return reply.send(text);
  const json = await stringifyInTurns(body);
  void reply.type("application/json; charset=utf-8");
  if (route.compresses !== true) return reply.send(json);
  void reply.header("vary", "accept-encoding");
  const packed = await compressed(json, request.headers["accept-encoding"]);
  return packed === null ? reply.send(json) : reply.header("content-encoding", "gzip").send(packed);
}

function sendProblem(service: Service, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = asProblem(error);
  if (problem.status === 500) {
    service.log.error({ requestId: request.id, error }, "http.defect");
  } else if (error instanceof MnemosyncError && error.message !== problem.message) {
    const { code, message } = error;
    service.log.warn({ requestId: request.id, code, error: message }, "http.request_failed");
  }
  return reply
    .code(problem.status)
    .headers({ ...SECURITY_HEADERS, ...problem.headers, "x-request-id": request.id })
    .type(MEDIA_TYPE_PROBLEM)
    .send(JSON.stringify(problemDocument(problem, request.id)));
}

/** The caller's request id where it is safe to log, otherwise a new one. */
function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(header) ? header : newUlid();
}
