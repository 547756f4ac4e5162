import { Session } from "node:inspector";
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import v8 from "node:v8";
import vm from "node:vm";

/**
 * Loaded into the service process before the program, by the fuzzer: it answers the fuzzer's questions about that process's
 * memory and event loop, over a channel of its own. The program knows nothing of it. Plain JavaScript, since the service may
 * run without a loader of TypeScript.
 */

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc");

const RESOLUTION_MS = 5;
const SETTLE_MS = 100;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
let longestCollectionMs = 0;
let collectionKind = "";
const KINDS = { 1: "scavenge", 4: "mark-compact", 8: "incremental", 16: "weak references" };
new PerformanceObserver((list) => {
  for (const { duration, detail } of list.getEntries()) {
    if (duration <= longestCollectionMs) continue;
    longestCollectionMs = duration;
    collectionKind = KINDS[detail.kind] ?? String(detail.kind);
  }
}).observe({ entryTypes: ["gc"] });

/** Milliseconds of a hold from which its stacks are told; 0: none is. */
const holdsFromMs = Number(process.env.FUZZ_HOLDS_MS ?? 0);
if (holdsFromMs > 0) watchHolds(holdsFromMs);

/** A folder for a heap snapshot at each reading of the memory: for looking for what grows. */
const snapshots = process.env.FUZZ_SNAPSHOTS;
let written = 0;

process.on("message", (message) => {
  if (message === "loop") {
    const longestHoldMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
    process.send({ kind: "loop", longestHoldMs, longestCollectionMs, collectionKind });
    delay.reset();
    longestCollectionMs = 0;
  } else if (message === "memory") {
    // Twice: what the first collection finalizes, the second one frees.
    collect();
    collect();
    const usage = process.memoryUsage();
    if (snapshots !== undefined) v8.writeHeapSnapshot(`${snapshots}/${process.pid}-${++written}.heapsnapshot`);
    // The loop's delay and the collections are told in later turns: these are none of the service's own.
    setTimeout(() => {
      delay.reset();
      longestCollectionMs = 0;
      process.send({ kind: "memory", ...usage });
    }, SETTLE_MS);
  }
});
// The fuzzer is gone, in whatever way.
process.once("disconnect", () => process.exit(1));
process.channel?.unref();

/** Profiles the process all the time, and tells the stacks of each turn of the event loop that took long. */
function watchHolds(fromMs) {
  const session = new Session();
  session.connect();
  const post = (method, parameters) =>
    new Promise((resolve, reject) => {
      session.post(method, parameters, (error, result) => (error ? reject(error) : resolve(result)));
    });
  const start = async () => {
    await post("Profiler.enable");
    await post("Profiler.setSamplingInterval", { interval: 1_000 });
    await post("Profiler.start");
  };
  let looked = performance.now();
  let begun = looked;
  let isBusy = false;
  void start();
  setInterval(async () => {
    const now = performance.now();
    const heldMs = now - looked - 10;
    looked = now;
    if (isBusy || (heldMs < fromMs && now - begun < 10_000)) return;
    isBusy = true;
    const { profile } = await post("Profiler.stop");
    if (heldMs >= fromMs) process.send({ kind: "hold", ms: Math.round(heldMs), stacks: heaviest(profile, heldMs) });
    await post("Profiler.start");
    begun = performance.now();
    looked = begun;
    isBusy = false;
  }, 10).unref();
}

/** The stacks of the profile's last `ms`, those with most samples first. */
function heaviest({ nodes, samples, timeDeltas, endTime }, ms) {
  const parents = new Map();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const counts = new Map();
  let at = endTime;
  for (let index = samples.length - 1; index >= 0 && endTime - at < ms * 1_000; index--) {
    const names = [];
    for (let id = samples[index]; id !== undefined && names.length < 14; id = parents.get(id)) {
      const { functionName, url, lineNumber } = byId.get(id).callFrame;
      names.push(`${functionName || "(anonymous)"} ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`);
    }
    const text = names.join("\n      < ");
    counts.set(text, (counts.get(text) ?? 0) + timeDeltas[index] / 1_000);
    at -= timeDeltas[index];
  }
  const sorted = [...counts].sort(([, one], [, other]) => other - one).slice(0, 6);
  return sorted.map(([text, held]) => `  ${Math.round(held)} ms ${text}`).join("\n");
}
