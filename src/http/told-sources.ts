import { KeptSources } from "../documents/source-documents.ts";
import { NotFoundError } from "../index.ts";
import { HttpProblem } from "./problem.ts";

/** The sides that an answer stands on. */
export class ToldSources extends KeptSources {
  /** The problem of a memory that no side showed. Where a side did not answer, the caller may ask again. */
  notFound(message: string): Error {
    if (this.sources === undefined) return new NotFoundError(message);
    return new HttpProblem(404, "NOT_FOUND", message, { members: { sources: this.sources } });
  }
}
