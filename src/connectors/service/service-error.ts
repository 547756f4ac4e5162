import { MnemosyncError } from "../../domain/errors.ts";
import { isTransientStatus } from "../../embed/retry-after.ts";

/**
 * What a failed call means for the work that made it:
 *
 * - `transient`: no answer, or 408, 425, 429 and 5xx. The same call may succeed later.
 * - `authentication`: the service does not accept the key. No call can succeed until an operator has acted.
 * - `permanent`: the service refuses this request, or its answer cannot be understood. The same call fails again.
 */
export type FailureClass = "transient" | "authentication" | "permanent";

export interface ServiceErrorOptions extends ErrorOptions {
  /** HTTP status of the answer; absent where there was none. */
  readonly status?: number | undefined;
  /** Milliseconds that the service asks to wait. */
  readonly retryAfterMs?: number | undefined;
}

/** Another service did not do what a connector asked of it. The message has neither its key nor its answer's body in full. */
export class ServiceError extends MnemosyncError {
  readonly code = "SERVICE_FAILED";
  readonly failure: FailureClass;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(failure: FailureClass, message: string, options: ServiceErrorOptions = {}) {
    super(message, options);
    this.failure = failure;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retryable(): boolean {
    return this.failure === "transient";
  }
}

/** The class of a status that is not a success. */
export function failureOfStatus(status: number): FailureClass {
  if (status === 401 || status === 403) return "authentication";
  return isTransientStatus(status) ? "transient" : "permanent";
}
