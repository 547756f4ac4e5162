import { KeptSources } from "../documents/source-documents.ts";
import { Refusal } from "./failure.ts";

/** The sides that an answer stands on. */
export class ToldSources extends KeptSources {
  /** The failure of a memory that no side showed. Where a side did not answer, it may be there all the same. */
  notFound(memoryId: string, namespace: string): Refusal {
    const message = `there is no memory ${JSON.stringify(memoryId)} in ${namespace}`;
    const { sources } = this;
    if (sources === undefined) return new Refusal("NOT_FOUND", message);
    const isWhole = sources.primary === "ok" && (sources.replica === "ok" || sources.replica === "off");
    const told = isWhole ? message : `${message}, as far as the side that answered knows: call again later`;
    return new Refusal("NOT_FOUND", told, { members: { sources } });
  }
}
