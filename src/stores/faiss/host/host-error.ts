import type { HostErrorCode } from "../protocol/messages.ts";

/** The host refused a request and executed no part of it. Crosses the process boundary as code and message. */
export class HostError extends Error {
  readonly code: HostErrorCode;
  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** @throws {HostError} unless `condition` holds: the argument would make FAISS throw, or corrupt its results. */
export function checkArgument(condition: boolean, message: string): asserts condition {
  if (!condition) throw new HostError("INVALID_ARGUMENT", message);
}
