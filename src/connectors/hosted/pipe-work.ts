import { namespaceOf } from "../definition.ts";
import { deliverMemories, sinkOf } from "./sink-work.ts";
import { importItems, sourceOf } from "./source-work.ts";
import type { Work, WorkParts } from "./work.ts";

/** From one service to another, through the memories of this deployment: what is imported is delivered by the same run. */
export async function pipeWork(parts: WorkParts): Promise<Work> {
  const source = sourceOf(parts);
  const sink = sinkOf(parts);
  const { from } = parts.definition;
  const context = from.type === "memory-space" ? from.context : "";
  const selection = {
    namespaces: [namespaceOf(parts.definition)],
    where: { "metadata.source.service": { eq: from.type }, "metadata.source.context": { eq: context } },
  };
  return {
    async test(signal) {
      await source.ping(signal);
      await sink.ping(signal);
    },
    async run(signal) {
      const run = await importItems(parts, source, signal);
      // What was imported before is delivered also where the source is away.
      if (run.state === "cancelled" || parts.order.dryRun) return { run, delivery: null };
      return { run, delivery: await deliverMemories(parts, sink, selection, signal) };
    },
  };
}
