import { InternalError, MnemosyncError } from "../domain/errors.ts";

/** The error as one of this package's own. */
export function ownError(error: unknown): MnemosyncError {
  if (error instanceof MnemosyncError) return error;
  return new InternalError(`writing failed: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}
