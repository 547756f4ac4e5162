import type { HostErrorCode } from "../protocol/messages.ts";

/** The host did nothing of what it was asked, and says why. Crosses the process boundary by code and message. */
export class HostError extends Error {
  readonly code: HostErrorCode;
  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** @throws {HostError} unless `condition` holds: the argument would make FAISS throw, or poison its answers. */
export function checkArgument(condition: boolean, message: string): asserts condition {
  if (!condition) throw new HostError("INVALID_ARGUMENT", message);
}
