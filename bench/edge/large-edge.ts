import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { BenchContext, Measure, ScenarioResult, Target, Unit } from "../harness/scenario.ts";
import { median } from "../support/statistics.ts";
import type { HubService } from "./hub-service.ts";
import { Replicator } from "./replicators.ts";

const PROGRAM = fileURLToPath(new URL("resident.mjs", import.meta.url));
const NAMESPACE = "large";
const OURS = "mnemosync/edge";

/** What `resident.mjs` prints. */
interface Resident {
  readonly bare: number;
  readonly first: { readonly ms: number; readonly peak: number; readonly loopP99Ms: number };
  readonly afterSync: number;
  readonly busy: { readonly peak: number; readonly loopP99Ms: number };
  readonly afterBusy: number;
}

/** A large file: its first sync, its memory, its event loop; and single figures that are promised. */
export async function largeEdge(context: BenchContext, hub: HubService): Promise<ScenarioResult> {
  const memories = context.quick ? 5_000 : 100_000;
  const pending = context.quick ? 1_000 : 10_000;
  context.log(`the hub gets ${memories} memories`);
  await hub.fill(NAMESPACE, memories);
  const directory = await context.newDirectory();
  const resident = await runResident({ path: `${directory}/large.db`, hub, memories });
  const single = await singleFigures(context, hub, pending);
  const figures: readonly [figure: string, unit: Unit, value: number, max: number | null][] = [
    ["first sync", "s", resident.first.ms / 1_000, null],
    ["resident set after the first sync", "MiB", resident.afterSync, 150],
    ["resident set at its highest", "MiB", Math.max(resident.first.peak, resident.busy.peak), 150],
    ["resident set of a bare Node process", "MiB", resident.bare, null],
    ["event loop late at p99, first sync", "ms", resident.first.loopP99Ms, 20],
    ["event loop late at p99, writing, searching and syncing", "ms", resident.busy.loopP99Ms, 20],
    [`drain of ${pending.toLocaleString("en-US")} changes`, "s", single.drainMs / 1_000, null],
    ["event loop late at p99, draining", "ms", single.loopP99Ms, 20],
    ["a batch of 50, its pull included", "s", single.batchMs / 1_000, 2],
    ["a conflict, decided and recorded", "ms", single.conflictMs, 1],
  ];
  return {
    title: `The edge: a file of ${memories.toLocaleString("en-US")} memories`,
    method:
      "The built package in a process of Node without a loader. Its event loop and its resident set are watched while it reads everything " +
      "for the first time, and then for five seconds while it writes, searches by words and by vectors, and syncs.",
    measures: figures.map(
      ([figure, unit, value]): Measure => ({ contender: OURS, role: "ours", figure, unit, values: [value] }),
    ),
    targets: figures.flatMap(([figure, unit, value, max]): Target[] =>
      max === null ? [] : [{ what: `${figure}, beside ${max} ${unit}`, ratio: value / max, bound: 1, kind: "at most" }],
    ),
  };
}

async function runResident({
  path,
  hub,
  memories,
}: {
  path: string;
  hub: HubService;
  memories: number;
}): Promise<Resident> {
  const order = { path, hub: hub.url, apiKey: hub.apiKey, namespace: NAMESPACE, memories };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(order)], { stdio: ["ignore", "pipe", "inherit"] });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`resident.mjs ended with ${code}`);
  return JSON.parse(printed) as Resident;
}

async function singleFigures(context: BenchContext, hub: HubService, pending: number) {
  const directory = await context.newDirectory();
  const edge = Replicator.ours();
  try {
    const about = { directory, hub: hub.url, apiKey: hub.apiKey };
    await edge.ask("open", { ...about, name: "batches" });
    const batches: number[] = [];
    for (let turn = 0; turn < (context.quick ? 3 : 10); turn++) {
      batches.push(await edge.ask("batch", { from: turn * 50, count: 50 }));
    }
    await edge.ask("open", { ...about, name: "pending" });
    await edge.ask("fill", { count: pending });
    const drained = await edge.ask("drain", { count: pending });
    const conflictMs = await edge.ask("conflicts", { directory, count: context.quick ? 100 : 1_000 });
    return { batchMs: median(batches), drainMs: drained.ms, loopP99Ms: drained.loopP99Ms, conflictMs };
  } finally {
    await edge.close();
  }
}
