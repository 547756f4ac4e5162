import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { measured } from "../support/measure.ts";
import { verify } from "../support/report.ts";
import { median, quantile } from "../support/statistics.ts";
import { type Figure, measuresOf, targetsOf } from "./figures.ts";
import { type RunningService, Service } from "./service.ts";
import { startStandIn } from "./stand-in.ts";

const CONNECTORS = 20;

/** The service: what do 20 connectors cost its start, and does it answer while one of them runs? */
export async function serving(context: BenchContext): Promise<ScenarioResult> {
  const items = context.quick ? 3_000 : 10_000;
  const rounds = context.rounds ?? (context.quick ? 1 : 3);
  const space = await startStandIn(items);
  const service = await Service.prepare(context);
  const definitions = Object.fromEntries(
    Array.from({ length: Math.max(CONNECTORS, rounds) }, (_, index) => [
      `space-${index}`,
      {
        from: { type: "memory-space", url: space.url, context: space.context },
        to: { type: "memories", namespace: `space-${index}` },
        // Far away: what is measured is the start, and not runs.
        schedule: { cron: "0 0 1 1 *" },
      },
    ]),
  );
  try {
    await service.started({}, async () => undefined); // Migrates, and makes the index.
    const [bare, many]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      bare.push((await service.started({}, async () => undefined)).readyMs);
      many.push((await service.started(definitions, async () => undefined)).readyMs);
    }
    context.log("starts are measured");
    const asked: AskedStatus[] = [];
    // Each round is the first import of a service that has just been started: its code is not compiled yet.
    for (let round = 0; round < rounds; round++) {
      const { result } = await service.started(definitions, (running) => askStatus(running, `space-${round}`, items));
      asked.push(result);
    }
    const ofStatus = (share: number): number[] => asked.map(({ tookMs }) => quantile(tookMs, share));
    const figures: Figure[] = [
      ["start without connectors", "s", bare.map((ms) => ms / 1_000), null],
      [`start with ${CONNECTORS} connectors`, "s", many.map((ms) => ms / 1_000), 1],
      ["status while a run goes on, median", "ms", ofStatus(0.5), null],
      ["status while a run goes on, p99", "ms", ofStatus(0.99), 50],
      ["timers of the service late meanwhile, p99", "ms", asked.map(({ serviceLateMs }) => serviceLateMs), null],
      ["timers of the caller late meanwhile, p99", "ms", asked.map(({ callerLateMs }) => callerLateMs), null],
    ];
    const questions = asked.reduce((sum, { tookMs }) => sum + tookMs.length, 0);
    return {
      title: `Connectors: a service with ${CONNECTORS} of them`,
      method:
        "`mnemosync serve`, the built program in a process of its own: from its start to the first 200 of /readyz. Then one connector imports " +
        `${items.toLocaleString("en-US")} items from a stand-in in another process, and its status is asked for meanwhile, one question after the ` +
        `other, ${questions} in all; the service is started anew for each round. How late timers are tells what an answer waits for in either process.`,
      measures: measuresOf(figures),
      targets: targetsOf(figures, median),
    };
  } finally {
    await space.close();
  }
}

interface AskedStatus {
  /** Milliseconds of each answer, while the run went on. */
  readonly tookMs: readonly number[];
  /** Milliseconds by which timers came late, at the 99th percentile. */
  readonly serviceLateMs: number;
  readonly callerLateMs: number;
}

/** Has a connector run, and asks for its status until it has ended. */
async function askStatus({ call, lateMs }: RunningService, connector: string, items: number): Promise<AskedStatus> {
  await lateMs(); // What was late before does not count.
  const { id } = await call("POST", `/v1/connectors/${connector}/trigger`, { scope: "full" });
  const { result: tookMs, loopP99Ms: callerLateMs } = await measured(async () => {
    const took: number[] = [];
    for (;;) {
      const startedAt = performance.now();
      const { state } = await call("GET", `/v1/connectors/${connector}/status`);
      const ms = performance.now() - startedAt;
      if (state !== "running") return took;
      took.push(ms);
    }
  });
  const serviceLateMs = await lateMs();
  const run = (await call("GET", `/v1/connectors/${connector}/runs/${String(id)}`)) as {
    state: string;
    counts: { created: number };
  };
  verify(run.state === "succeeded" && run.counts.created === items, `the run ended as ${JSON.stringify(run)}`);
  verify(tookMs.length >= 100, `only ${tookMs.length} answers came while the run went on: too few for a p99`);
  return { tookMs, serviceLateMs, callerLateMs };
}
