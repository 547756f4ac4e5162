import { join } from "node:path";
import {
  HubTarget,
  JsonSinkState,
  JsonState,
  LightRagClient,
  LightRagSink,
  MemorySpaceClient,
  MemorySpaceSource,
  runSink,
  runSource,
  type Sink,
  TRANSFORMS,
} from "../../src/connectors/index.ts";
import { pause as timer } from "../../src/runtime/deadline.ts";
import { LightRagServer } from "../../test/support/connectors/lightrag-server.ts";
import { MemorySpaceServer } from "../../test/support/connectors/memory-space-server.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { OurStores } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type Figure, measuresOf, targetsOf } from "./figures.ts";

const COUNT = 100;
const signal = new AbortController().signal;

/** Memory Space to ledger to LightRAG: how long until the last text is delivered, and how much of it is waiting? */
export async function pipe(context: BenchContext): Promise<ScenarioResult> {
  const rounds = context.rounds ?? (context.quick ? 1 : 3);
  const ours = await OurStores.open(context, { dimension: 64, embedding: { provider: "hashing" } });
  const whole: number[] = [];
  const waited: number[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const took = await once(context, ours, `pipe-${round}`);
      whole.push(took.ms / 1_000);
      waited.push(took.waitedMs / 1_000);
      context.log(`round ${round + 1}`);
    }
  } finally {
    await ours.close();
  }
  const figures: Figure[] = [
    [`${COUNT} memories, end to end`, "s", whole, 3],
    ["of that, waiting", "s", waited, null],
    ["of that, working", "s", whole.map((value, index) => value - (waited[index] ?? 0)), null],
  ];
  return {
    title: `Connectors: ${COUNT} memories from Memory Space through the ledger to LightRAG`,
    method:
      "Stand-ins of both services answer at once, and LightRAG's language model takes no time. A text counts as delivered two seconds after it was " +
      "sent at the earliest, because a real server loses it with its process until then: that is most of the waiting. The promise of the original was 30 s.",
    measures: measuresOf(figures),
    targets: targetsOf(figures, median),
  };
}

async function once(context: BenchContext, { sync }: OurStores, namespace: string) {
  const space = await MemorySpaceServer.start();
  const rag = await LightRagServer.start({ version: "1.5.6", processMs: 0 });
  const folder = await context.newDirectory();
  for (let index = 0; index < COUNT; index++) {
    space.put({
      id: `i${index}`,
      created_at: new Date().toISOString(),
      transcript: `we talked about subject ${index}`,
    });
  }
  const source = new MemorySpaceSource(
    new MemorySpaceClient({ url: space.url, context: space.context, apiKey: "secret-key" }),
    { namespace },
  );
  const sink = new LightRagSink(new LightRagClient({ url: rag.url, apiKey: "rag-key" }), { connectorId: namespace });
  const [sourceState, sinkState] = [
    await JsonState.open(join(folder, "source.json")),
    await JsonSinkState.open(join(folder, "sink.json")),
  ];
  let waitedMs = 0;
  const pause = async (milliseconds: number, each: AbortSignal): Promise<void> => {
    const from = performance.now();
    await timer(milliseconds, each);
    waitedMs += performance.now() - from;
  };
  try {
    const startedAt = performance.now();
    await runSource({ source, target: new HubTarget(sync, namespace), state: sourceState }, { scope: "full" }, signal);
    await runSink(
      { feed: sync, sink: sink as Sink<unknown>, state: sinkState, transform: TRANSFORMS.standard, pause },
      { namespaces: [namespace] },
      signal,
    );
    const ms = performance.now() - startedAt;
    const delivered = [...rag.state.documents.values()].filter(({ status }) => status === "processed");
    verify(delivered.length === COUNT, `${delivered.length} of ${COUNT} texts were delivered`);
    return { ms, waitedMs };
  } finally {
    await Promise.all([space.close(), rag.close(), sourceState.close(), sinkState.close()]);
  }
}
