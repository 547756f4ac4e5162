import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { publicMessage } from "../documents/public-messages.ts";
import { type Log, MnemosyncError, ValidationError } from "../index.ts";

/** A failure as the model reads it: what was found, and what to do next. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What a program branches on beside the code: path, foundVersion, transactionId, … */
  readonly details: Readonly<Record<string, unknown>>;
}

/** An error whose code and message are meant for the caller, whichever door made it. */
interface ToldError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly members?: Readonly<Record<string, unknown>>;
}

const DETAILS = ["store", "transactionId", "expectedVersion", "foundVersion"] as const;

/** A refusal of this door. */
export class Refusal extends Error {
  readonly code: string;
  readonly retryable: boolean;
  /** Further details of the failure. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    code: "FORBIDDEN" | "UNKNOWN_TOOL" | "TOO_MANY_CALLS" | "NOT_FOUND",
    message: string,
    { retryable = false, members = {} }: Partial<Pick<Refusal, "retryable" | "members">> = {},
  ) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.members = members;
  }
}

/** What to do after each code, where the message does not say it. */
const NEXT: Readonly<Record<string, string>> = {
  VALIDATION: "Correct the argument and call again.",
  NOT_FOUND: "Find the id with recall or list.",
  VERSION_CONFLICT: "Read it with get, then repeat the call with the version found as expectedVersion.",
  ERASED: "The id cannot be used again: choose another one.",
  IDEMPOTENCY_KEY_REUSED: "Choose another idempotencyKey, or leave it out.",
  COMMIT_OUTCOME_UNKNOWN: "It may have been written: look with get before you repeat it.",
  DEADLINE_EXCEEDED: "A write may have been done: look with get before you repeat it. Of a read ask for less.",
  EMBEDDING_FAILED: "Recall with mode text, or try again later.",
  ANSWER_TOO_LARGE: "Ask for fewer memories at a time.",
  FORBIDDEN: "Do not repeat it: the connection has no right to it.",
  TOO_MANY_CALLS: "Wait for the calls under way, then call again.",
};

/** Any error of a call. A defect is logged and told without its text, which may hold anything. */
export function failureOf(error: unknown, log: Log, tool: string): Failure {
  if (error instanceof MnemosyncError) {
    const found = error as unknown as Record<string, unknown>;
    const details: Record<string, unknown> = {};
    if (error instanceof ValidationError && error.path !== "") details.path = error.path;
    for (const name of DETAILS) if (found[name] !== undefined) details[name] = found[name];
    const message = publicMessage(error);
    if (message !== error.message) log.warn({ tool, code: error.code, error: error.message }, "mcp.call_failed");
    return { code: error.code, message, retryable: error.retryable, details };
  }
  if (isTold(error)) {
    return { code: error.code, message: error.message, retryable: error.retryable, details: { ...error.members } };
  }
  log.error({ tool, error }, "mcp.defect");
  return { code: "INTERNAL", message: "a defect of the service: see its log", retryable: false, details: {} };
}

function isTold(error: unknown): error is ToldError {
  if (!(error instanceof Error)) return false;
  const { code, retryable } = error as Partial<ToldError>;
  return typeof code === "string" && typeof retryable === "boolean";
}

/** The failure as the result of a tool. Without structured content: that has the schema of the tool's answers. */
export function failureResult(failure: Failure): CallToolResult {
  const next = NEXT[failure.code] ?? (failure.retryable ? "Try again in some seconds." : "");
  const { code, message, retryable, details } = failure;
  const error = { code, message, retryable, ...details };
  return {
    isError: true,
    content: [{ type: "text", text: `${code}: ${message}. ${next}`.trim() }],
    _meta: { "mnemosync/error": error },
  };
}
