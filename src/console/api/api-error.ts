/** A call that failed, as the reader is told of it. */
export class ApiError extends Error {
  /** Of HTTP; 0 where no answer came. */
  readonly status: number;
  /** Stable name of the failure: the service's own, or `UNREACHABLE`, `TOO_SLOW` or `UNREADABLE`. */
  readonly code: string;
  readonly retryable: boolean;
  /** The id of the request in the service's log; null where no answer came. */
  readonly requestId: string | null;
  /** The whole problem document. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { retryable?: boolean; requestId?: string | null; members?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.status = status;
    this.code = code;
    this.retryable = more.retryable ?? false;
    this.requestId = more.requestId ?? null;
    this.members = more.members ?? {};
  }
}

/** The problem document of an answer (RFC 9457). An answer without one, of a proxy perhaps, is told by its status. */
export async function problemOf(response: Response): Promise<ApiError> {
  const { status } = response;
  const text = await response.text();
  const problem = parsed(text);
  if (typeof problem?.code !== "string" || typeof problem.detail !== "string") {
    return new ApiError(status, "UNREADABLE", `the answer has status ${status} and is not from mnemosync`, {
      retryable: status >= 500,
    });
  }
  return new ApiError(status, problem.code, problem.detail, {
    retryable: problem.retryable === true,
    requestId: typeof problem.instance === "string" ? problem.instance : null,
    members: problem,
  });
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // It is told by its status.
    throw error;
  }
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  UNREACHABLE: "Check that the service runs and that you are connected. The console tries again by itself.",
  TOO_SLOW: "Try again. If it stays slow, look at the stores on the overview.",
  FORBIDDEN: "Sign in with a key that has this right.",
  RATE_LIMITED: "Wait some seconds, then try again.",
  JOB_RUNNING: "Wait until it has ended, or cancel it on the page Queue and jobs.",
  STORE_UNAVAILABLE: "Look at the stores on the overview, then try again.",
  NOT_READY: "The service starts or stops. Try again in some seconds.",
  VERSION_CONFLICT: "Read the memory again, then repeat the change.",
  DEADLINE_EXCEEDED: "Ask for less at a time, or try again.",
  EPOCH_CHANGED: "The database was restored. Load the page again.",
  INTERNAL: "Give the request's id to the operator: the service's log has the reason under it.",
};

/** What to do about a failure; null where its message says it. */
export function nextStepOf({ code, retryable }: ApiError): string | null {
  return NEXT_STEPS[code] ?? (retryable ? "Try again." : null);
}
