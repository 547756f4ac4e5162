import { directionOf } from "../definition.ts";
import type { Work, WorkParts } from "./work.ts";

/** Loads what the connector's services need, and nothing of others. */
export async function workOf(parts: WorkParts): Promise<Work> {
  switch (directionOf(parts.definition)) {
    case "import":
      return (await import("./source-work.ts")).sourceWork(parts);
    case "deliver":
      return await (await import("./sink-work.ts")).sinkWork(parts);
    case "pipe":
      return await (await import("./pipe-work.ts")).pipeWork(parts);
  }
}
