/**
 * The first sync of an edge, and what its process takes: `node resident.mjs '{"path", "hub", "apiKey", "namespace", "memories"}'`.
 * The built package in a bare Node, as its users run it: a loader of TypeScript would be counted with it.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { EdgeStore } from "../../dist/edge/index.js";

const { path, hub, apiKey, namespace, memories } = JSON.parse(process.argv[2] ?? "{}");
const MIB = 1_048_576;
const RESOLUTION_MS = 10;
const BUSY_MS = 5_000;
const resident = () => process.memoryUsage.rss() / MIB;

/** Runs `work`, and tells the highest resident set and how late timers came at the 99th percentile. */
async function watched(/** @type {() => Promise<void>} */ work) {
  let peak = resident();
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const timer = setInterval(() => {
    peak = Math.max(peak, resident());
  }, 50);
  loop.enable();
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  loop.disable();
  clearInterval(timer);
  return { ms, peak: Math.max(peak, resident()), loopP99Ms: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION_MS) };
}

const bare = resident();
const edge = await EdgeStore.open({ path, hub, apiKey, namespaces: [namespace] });
const atOpen = resident();
const first = await watched(async () => {
  await edge.syncNow();
});
const status = await edge.status();
if (status.memories !== memories) throw new Error(`${status.memories} of ${memories} memories arrived`);
const afterSync = resident();

const vector = Float32Array.from({ length: 16 }, (_, index) => Math.sin(index + 1));
const counts = { writes: 0, words: 0, vectors: 0 };
edge.start();
const busy = await watched(async () => {
  const endsAt = performance.now() + BUSY_MS;
  const until = async (/** @type {() => Promise<unknown>} */ step) => {
    while (performance.now() < endsAt) await step();
  };
  await Promise.all([
    until(async () => {
      await edge.put(
        `own-${counts.writes++}`,
        { content: "a thought of the agent", memoryType: "note" },
        { namespace },
      );
    }),
    until(async () => {
      const found = await edge.search("quiet room near water", { namespace });
      if (found.length !== 10) throw new Error(`${found.length} memories have these words`);
      counts.words++;
    }),
    until(async () => {
      const found = await edge.search(vector, { namespace });
      if (found.length !== 10) throw new Error(`${found.length} memories are near`);
      counts.vectors++;
      await pause(1);
    }),
  ]);
});
await edge.stop();
const afterBusy = resident();
await edge.close();
console.log(JSON.stringify({ bare, atOpen, first, afterSync, busy, counts, afterBusy }));
