import { MnemosyncError } from "./errors.ts";
import type { Memory } from "./memory.ts";

export interface VersionConflictOptions extends ErrorOptions {
  readonly current?: Memory | null | undefined;
}

/** The memory is not at the version that the write expected. Nothing was written. */
export class VersionConflictError extends MnemosyncError {
  readonly code = "VERSION_CONFLICT";
  readonly retryable = false;
  /** The version that the write expected; 0: no such memory. */
  readonly expectedVersion: number;
  /** The version that the write found; 0: no such memory. */
  readonly foundVersion: number;
  /**
   * The memory as the ledger held it right after the write failed, at `foundVersion` or newer. Null: it is deleted,
   * expired, or was never written. Undefined: it was not read, as in the outcomes of batches. Not enumerable, so that a
   * log of the error does not hold the content.
   */
  declare readonly current: Memory | null | undefined;

  constructor(memoryId: string, expectedVersion: number, foundVersion: number, options: VersionConflictOptions = {}) {
    const { current, ...rest } = options;
    super(
      `memory ${JSON.stringify(memoryId)} is at version ${foundVersion}, not ${expectedVersion}: ` +
        "read it again, or write without expectedVersion",
      rest,
    );
    this.expectedVersion = expectedVersion;
    this.foundVersion = foundVersion;
    Object.defineProperty(this, "current", { value: current, enumerable: false });
  }
}
