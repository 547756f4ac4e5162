import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import { PRIMARY_SOURCES, REPLICA_SOURCES, type ReadSources } from "../read/read-sources.ts";

/** The sides that an answer stands on, as HTTP and `--json` show them. */
export const sourcesSchema = lazily(() =>
  z
    .strictObject({
      primary: z.enum(PRIMARY_SOURCES).describe("unavailable: the replica answered alone, and may lag"),
      replica: z
        .enum(REPLICA_SOURCES)
        .describe(
          "ok: the answer has what the replica alone holds; behind, unavailable: it may lack that; off: this read does not ask the replica",
        ),
    })
    .meta({ id: "Sources", description: "The sides that the answer stands on. Only where a replica is set up" }),
);

/** Keeps the sides that an answer stands on until its document is made. */
export class KeptSources {
  /** Undefined without a replica. */
  sources: ReadSources | undefined;

  /** For `onSources` of a read. */
  readonly tell = (sources: ReadSources): void => {
    this.sources = sources;
  };
}

/** The field of a document; nothing without a replica. */
export function sourcesField(sources: ReadSources | undefined): { sources?: ReadSources } {
  return sources === undefined ? {} : { sources: { primary: sources.primary, replica: sources.replica } };
}
