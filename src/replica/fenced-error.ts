import { StoreUnavailableError } from "../domain/errors.ts";

/** Another process writes to the replica now: this one asks for the lease again. */
export class FencedError extends StoreUnavailableError {
  constructor() {
    super("replica", "another process has begun to write to it");
  }
}
