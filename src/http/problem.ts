import * as z from "zod";
import { publicMessage } from "../documents/public-messages.ts";
import { lazily } from "../domain/lazily.ts";
import { HubError } from "../hub/protocol/codes.ts";
import { type ErrorCode, MnemosyncError, ValidationError } from "../index.ts";

/** Codes of the service, in addition to the codes of the library. */
export type HttpErrorCode =
  | "MALFORMED_REQUEST"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "ROUTE_NOT_FOUND"
  | "JOB_RUNNING"
  | "ALREADY_DECIDED"
  | "PRECONDITION_FAILED"
  | "ANSWER_TOO_LARGE"
  | "BODY_TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "RATE_LIMITED"
  | "TOO_MANY_STREAMS"
  | "REQUEST_TIMEOUT"
  | "NOT_READY";

export const MEDIA_TYPE_PROBLEM = "application/problem+json";

/** RFC 9457. Programs branch on `code`, which is stable; `detail` is for people. */
export const problemSchema = lazily(() =>
  z
    .looseObject({
      type: z.string().describe("A URN that names the code"),
      title: z.string(),
      status: z.number().int(),
      detail: z.string(),
      instance: z.string().describe("The request's id, as in the log"),
      code: z.string().describe("Stable name of the error"),
      retryable: z.boolean().describe("Whether the same request may succeed later"),
    })
    .meta({ id: "Problem", description: "A failure (RFC 9457)" }),
);

/** A request that the service refuses, as an answer. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly code: ErrorCode | HttpErrorCode;
  readonly retryable: boolean;
  /** Further members of the problem document. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ErrorCode | HttpErrorCode,
    detail: string,
    more: { retryable?: boolean; members?: Record<string, unknown>; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryable = more.retryable ?? false;
    this.members = more.members ?? {};
    this.headers = more.headers ?? {};
  }
}

/** The status of every code of the library. A new code without a status does not compile. */
const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  VALIDATION: 422,
  VERSION_CONFLICT: 409,
  STORE_UNAVAILABLE: 503,
  STORE_REFUSED: 503,
  STORE_FOREIGN: 503,
  COMMIT_OUTCOME_UNKNOWN: 503,
  IDEMPOTENCY_KEY_REUSED: 422,
  QUEUE_FULL: 503,
  DEADLINE_EXCEEDED: 504,
  ABORTED: 503,
  CLOSED: 503,
  NOT_FOUND: 404,
  CONFIGURATION: 422,
  SCHEMA_TOO_NEW: 503,
  EMBEDDING_FAILED: 502,
  EPOCH_CHANGED: 410,
  ERASED: 410,
  SYNC_CONNECTION: 503,
  SYNC_BATCH: 422,
  SYNC_CONFLICT: 409,
  SYNC_RETRIES_EXCEEDED: 503,
  SYNC_PAYLOAD: 422,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  DEVICE_REVOKED: 403,
  PROTOCOL_UNSUPPORTED: 422,
  RESYNC_REQUIRED: 410,
  EDGE_FILE: 500,
  SERVICE_FAILED: 502,
  CONNECTOR_RUNNING: 409,
  INTERNAL: 500,
};

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Codes for requests that fastify refuses before a handler runs. */
const FRAMEWORK_CODES: Readonly<Record<number, HttpErrorCode>> = {
  408: "REQUEST_TIMEOUT",
  413: "BODY_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
  503: "NOT_READY",
};

/** Any failure as an answer. The message of a foreign error stays in the log: it may hold anything. */
export function asProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof MnemosyncError) return libraryProblem(error);
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === "number" && status >= 400 && (status < 500 || status === 503)) {
    // The framework repeats the address in its message, and an address may hold what the caller must keep to itself.
    if ((error as { code?: unknown }).code === "FST_ERR_BAD_URL") {
      return new HttpProblem(400, "MALFORMED_REQUEST", "the path is not a valid part of a URL: encode % as %25");
    }
    const code = FRAMEWORK_CODES[status] ?? "MALFORMED_REQUEST";
    return new HttpProblem(status, code, (error as Error).message, { retryable: status === 503 });
  }
  return new HttpProblem(500, "INTERNAL", "a defect of the service: see its log under the id of this request");
}

function libraryProblem(error: MnemosyncError): HttpProblem {
  const status = STATUS_OF[error.code] ?? 500;
  const members: Record<string, unknown> = {};
  if (error instanceof ValidationError && error.path !== "") members.path = error.path;
  for (const name of ["store", "transactionId", "expectedVersion", "foundVersion", "runId"] as const) {
    const value = (error as unknown as Record<string, unknown>)[name];
    if (value !== undefined) members[name] = value;
  }
  if (error instanceof HubError && error.resync !== null) Object.assign(members, error.resync);
  return new HttpProblem(status, error.code, publicMessage(error), {
    retryable: error.retryable,
    members,
    ...(error.retryable && status === 503 && { headers: { "retry-after": "1" } }),
  });
}

export function titleOf(status: number): string {
  return TITLES[status] ?? "Error";
}

export function problemDocument(problem: HttpProblem, requestId: string): z.output<ReturnType<typeof problemSchema>> {
  return {
    ...problem.members,
    type: `urn:mnemosync:problem:${problem.code.toLowerCase().replaceAll("_", "-")}`,
    title: titleOf(problem.status),
    status: problem.status,
    detail: problem.message,
    instance: requestId,
    code: problem.code,
    retryable: problem.retryable,
  };
}
