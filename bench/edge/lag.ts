import type { BenchContext, Measure, ScenarioResult } from "../harness/scenario.ts";
import { quantile } from "../support/statistics.ts";
import type { HubService } from "./hub-service.ts";
import { Replicator } from "./replicators.ts";

const NAMESPACE = "lag";
const WAITING_MAX_S = 2;
const POLLING_MAX_S = 40;
const SEEN_MAX_MS = 120_000;

/** From the commit at one edge to the moment in which another one reads it, while a third one drains. */
export async function lag(context: BenchContext, hub: HubService): Promise<ScenarioResult> {
  const directory = await context.newDirectory();
  const about = { name: NAMESPACE, directory, hub: hub.url, apiKey: hub.apiKey };
  const [writer, waiting, polling, load] = [Replicator.ours(), Replicator.ours(), Replicator.ours(), Replicator.ours()];
  const all = [writer, waiting, polling, load];
  try {
    await Promise.all([
      writer.ask("open", about),
      waiting.ask("open", about),
      polling.ask("open", { ...about, settings: { isPolling: true } }),
      load.ask("open", { ...about, name: "load" }),
    ]);
    const loadCount = context.quick ? 1_000 : 5_000;
    await load.ask("fill", { count: loadCount });
    // By polling alone: a request every 30 s. Each edge is asked to start until it has polled, so the first writes come right behind a
    // poll, and wait for as long as any can.
    const byPolling = context.quick ? null : polling;
    await Promise.all([writer, waiting, byPolling].map(async (edge) => void (await edge?.ask("start", null))));
    const request = { prefix: "lag-", count: context.quick ? 40 : 200, intervalMs: 50 };
    const [committed, seen, polled] = await Promise.all([
      writer.ask("commit", request),
      waiting.ask("see", { ...request, timeoutMs: SEEN_MAX_MS }),
      byPolling?.ask("see", { ...request, timeoutMs: SEEN_MAX_MS }) ?? null,
      load.ask("drain", { count: loadCount }),
    ]);
    await Promise.all([writer, waiting, byPolling].map(async (edge) => void (await edge?.ask("stop", null))));
    const measures: Measure[] = [];
    const targets = [];
    for (const [name, times, maxS] of [
      ["with the waiting request", seen, WAITING_MAX_S],
      ["by polling alone", polled, POLLING_MAX_S],
    ] as const) {
      if (times === null) continue;
      const lags = times.map((time, index) => Math.max(0, time - (committed[index] as number)) / 1_000);
      const [p50, p99] = [quantile(lags, 0.5), quantile(lags, 0.99)];
      for (const [figure, value] of [["p50", p50] as const, ["p99", p99] as const]) {
        measures.push({ contender: name, role: "ours", figure, unit: "s", values: [value] });
      }
      targets.push({ what: `${name}: p99 beside ${maxS} s`, ratio: p99 / maxS, bound: 1, kind: "at most" as const });
    }
    return {
      title: "The edge: from a commit at one edge to another edge",
      method:
        `${request.count} writes at one edge, one every ${request.intervalMs} ms, until another edge reads each of them from its file, while a third ` +
        `edge drains ${loadCount.toLocaleString("en-US")} changes into the same hub. All with the default settings.`,
      measures,
      targets,
    };
  } finally {
    await Promise.all(all.map((edge) => edge.close()));
  }
}
