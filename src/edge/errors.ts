import { MnemosyncError } from "../domain/errors.ts";

/**
 * What is wrong with the file of an edge:
 *
 * - `newer`: a newer program made it. It was not touched.
 * - `foreign`: it is a database of another program. It was not touched.
 * - `corrupt`: it is damaged. `EdgeStore.open` sets it aside and rescues what it can, unless told not to.
 * - `disk_full`, `read_only`: the change was not kept. What was kept before is unharmed.
 * - `locked`: another process held the file for longer than `busyTimeoutMs`.
 * - `driver`: no SQLite driver works here.
 * - `io`: the file cannot be read or written for another reason.
 */
export type EdgeFileProblem = "newer" | "foreign" | "corrupt" | "disk_full" | "read_only" | "locked" | "driver" | "io";

/** The file of an edge cannot be used, or did not take a change. Nothing was half-written. */
export class EdgeFileError extends MnemosyncError {
  readonly code = "EDGE_FILE";
  readonly retryable: boolean;
  readonly problem: EdgeFileProblem;
  constructor(problem: EdgeFileProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
    this.retryable = problem === "locked" || problem === "disk_full";
  }
}

/** A conflict awaits a decision, or the decision does not fit it. Nothing was changed. */
export class SyncConflictError extends MnemosyncError {
  readonly code = "SYNC_CONFLICT";
  readonly retryable = false;
}

/** The change is not what the hub or the privacy of the memory permits. Nothing was written. */
export class SyncPayloadError extends MnemosyncError {
  readonly code = "SYNC_PAYLOAD";
  readonly retryable = false;
}
