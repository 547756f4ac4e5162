import { NotFoundError, type ReadSources } from "../index.ts";
import { HttpProblem } from "./problem.ts";

/** Keeps the sides that an answer stands on, for its document. */
export class ToldSources {
  /** Undefined without a replica. */
  sources: ReadSources | undefined;

  readonly tell = (sources: ReadSources): void => {
    this.sources = sources;
  };

  /** The problem of a memory that no side showed. Where a side did not answer, the caller may ask again. */
  notFound(message: string): Error {
    if (this.sources === undefined) return new NotFoundError(message);
    return new HttpProblem(404, "NOT_FOUND", message, { members: { sources: this.sources } });
  }
}
