import { StoreUnavailableError } from "../domain/errors.ts";

/** The replica answers, and cannot do this now. Its message is of our own words, and so is shown to callers over HTTP. */
export class ReplicaNotNowError extends StoreUnavailableError {
  readonly isPublic = true;

  constructor(message: string) {
    super("replica", message);
  }
}
