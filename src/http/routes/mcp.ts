import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { DEFAULT_NAMESPACE } from "../../index.ts";
import type { Caller, Right } from "../../mcp/caller.ts";
import type { McpRequest } from "../../mcp/http-session.ts";
import type { SessionAnswer } from "../../mcp/http-sessions.ts";
import { SessionRefusal } from "../../mcp/session-refusal.ts";
import { hasScope, type Identity, isOperator, mayTouch } from "../keys.ts";
import { BATCH_LIMITS } from "../limits.ts";
import { HttpProblem } from "../problem.ts";
import { namespaceName } from "../requests.ts";
import { type RouteGroup, type RouteReply, type RouteRequest, route, type Service } from "../route.ts";
import { sendWebAnswer } from "../web-answer.ts";

/** Milliseconds between two looks whether the reader of a session's stream still has its key. */
const KEY_CHECK_MS = 1_000;

const HEADERS = {
  "Mcp-Session-Id": "The session, as the answer to initialize named it",
  "MCP-Protocol-Version": "The version of MCP that the two agreed on",
} as const;

const query = lazily(() =>
  z.object({
    namespace: z
      .union([namespaceName(), z.literal("*")])
      .optional()
      .describe(
        "Of a new session: the namespace that all its calls are about; *: each call names its own. By default the one that " +
          "the key is bound to, else default",
      ),
  }),
);

/** Messages of one request, at most. */
const MESSAGES_MAX = 100;

const messages = lazily(() => {
  const message = z.looseObject({ jsonrpc: z.literal("2.0") });
  return z
    .union([message, z.array(message).min(1).max(MESSAGES_MAX)])
    .describe("Messages of JSON-RPC, as MCP has them");
});

const postMessages = route({
  method: "POST",
  path: "/mcp",
  operationId: "postMcpMessages",
  summary: "Messages of an MCP client (streamable HTTP): docs/mcp.md. initialize begins a session",
  access: { scope: "read" },
  query,
  body: messages,
  bodyLimits: BATCH_LIMITS,
  requestHeaders: HEADERS,
  responses: {
    200: {
      description: "The answers, as server-sent events",
      schema: () => z.string(),
      mediaType: "text/event-stream",
    },
    202: { description: "Notifications were taken" },
    404: { description: "The session has ended, or is another owner's: begin with initialize" },
    406: { description: "The client does not accept both application/json and text/event-stream" },
  },
  async handle(request, service) {
    return await answered(request, service, "POST", request.body);
  },
});

const readMessages = route({
  method: "GET",
  path: "/mcp",
  operationId: "readMcpMessages",
  summary: "What the service tells a session by itself: updates of resources, as server-sent events",
  access: { scope: "read" },
  query,
  requestHeaders: HEADERS,
  responses: {
    200: { description: "Messages, as they come", schema: () => z.string(), mediaType: "text/event-stream" },
    404: { description: "The session has ended, or is another owner's: begin with initialize" },
    406: { description: "The client does not accept text/event-stream" },
    409: { description: "The session has such a stream already" },
  },
  async handle(request, service) {
    // It takes no place among the streams: a session has one at most, and sessions are counted.
    return await answered(request, service, "GET", undefined);
  },
});

const endSession = route({
  method: "DELETE",
  path: "/mcp",
  operationId: "endMcpSession",
  summary: "End an MCP session; its calls under way are aborted",
  access: { scope: "read" },
  query,
  requestHeaders: HEADERS,
  responses: {
    200: { description: "Ended" },
    404: { description: "The session has ended already, or is another owner's" },
  },
  async handle(request, service) {
    return await answered(request, service, "DELETE", undefined);
  },
});

type Asked = Pick<
  RouteRequest<unknown, z.output<ReturnType<typeof query>>, unknown>,
  "query" | "headers" | "identity" | "signal" | "isAdmitted" | "onBytes"
>;

async function answered(
  request: Asked,
  service: Service,
  method: McpRequest["method"],
  body: unknown,
): Promise<RouteReply> {
  const { identity, headers } = request;
  const sessions = await service.mcp();
  const { id: keyId, owner } = identity;
  const asked: McpRequest = { method, headers, body, caller: callerOf(request), keyId, owner };
  const found = headers["mcp-session-id"];
  let answer: SessionAnswer;
  try {
    const namespace =
      found === undefined ? namespaceOf(identity, request.query.namespace) : sessions.find(found, owner).namespace;
    if (namespace !== null && !mayTouch(identity, namespace)) throw foreign(namespace);
    answer = await sessions.answer(asked, namespace);
  } catch (error) {
    throw error instanceof SessionRefusal ? problemOf(error) : error;
  }
  const { response, session, done } = answer;
  if (response.status >= 400) {
    done();
    throw await refusalOf(response);
  }
  return {
    status: response.status,
    stream: async (raw) => {
      const isStream = method === "GET" && response.status === 200;
      try {
        await sendWebAnswer(response, raw, {
          caller: request,
          stallTimeoutMs: service.stallTimeoutMs,
          ...(isStream && {
            stopping: service.stopping, // The answer to a call is sent to its end, as any other.
            keyCheckMs: KEY_CHECK_MS,
            onRoom: (hasRoom) => (hasRoom ? session.gate.open() : session.gate.shut()),
          }),
        });
      } finally {
        done();
      }
    },
  };
}

function callerOf({ identity, onBytes, signal }: Asked): Caller {
  const right: Right = isOperator(identity) ? "operate" : hasScope(identity, "write") ? "write" : "read";
  return {
    right,
    owner: identity.owner,
    mayTouch: (namespace) => mayTouch(identity, namespace),
    onBytes,
    hangUp: signal,
  };
}

/** The namespace of a new session; null: several. */
function namespaceOf({ namespaces }: Identity, asked: string | undefined): string | null {
  if (asked !== undefined) return asked === "*" ? null : asked;
  if (namespaces === null || namespaces.has(DEFAULT_NAMESPACE)) return DEFAULT_NAMESPACE;
  const [only, ...others] = namespaces;
  if (only !== undefined && others.length === 0) return only;
  const detail = `the key is bound to ${namespaces.size} namespaces: name one in the address, /mcp?namespace=…, or * for all`;
  throw new HttpProblem(400, "MALFORMED_REQUEST", detail, { members: { path: "namespace" } });
}

function foreign(namespace: string): HttpProblem {
  return new HttpProblem(403, "FORBIDDEN", `the key is not bound to the namespace ${namespace}`);
}

function problemOf({ reason, message }: SessionRefusal): HttpProblem {
  if (reason === "unknown-session") return new HttpProblem(404, "NOT_FOUND", message);
  if (reason === "no-session") return new HttpProblem(400, "MALFORMED_REQUEST", message);
  return new HttpProblem(429, "TOO_MANY_STREAMS", message, { retryable: true, headers: { "retry-after": "5" } });
}

/** A refusal of the SDK's transport, an error of JSON-RPC, as all refusals of the service are. */
async function refusalOf(response: Response): Promise<HttpProblem> {
  const told = (await response.json().catch(() => null)) as { error?: { message?: unknown } } | null;
  const message = told?.error?.message;
  const code = response.status === 404 ? "NOT_FOUND" : "MALFORMED_REQUEST";
  return new HttpProblem(response.status, code, typeof message === "string" ? message : "the request is no MCP");
}

export const mcpGroup: RouteGroup = {
  tag: "mcp",
  description: "The Model Context Protocol, for agents",
  routes: [postMessages, readMessages, endSession],
};
