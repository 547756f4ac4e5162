import { sendSignal } from "../../src/dev/processes.ts";
import { pause } from "../../src/dev/wait.ts";
import type { Random } from "../support/random.ts";
import type { ChaosNode, Cluster } from "./cluster.ts";

/** A fault: begins, lasts, and is over, whatever it was. */
export interface Fault {
  readonly name: string;
  run(cluster: Cluster, random: Random): Promise<void>;
}

/** Milliseconds that something stays away: around every deadline of the nodes, above and below. */
function span(random: Random): number {
  return 200 + random.below(3_000);
}

export const FAULTS: readonly Fault[] = [
  {
    name: "redis killed",
    run: async ({ redis }, random) => {
      await redis.kill();
      await pause(span(random));
      await redis.start();
    },
  },
  {
    name: "redis frozen",
    run: async ({ redis }, random) => {
      await redis.freeze();
      await pause(span(random));
      await redis.thaw();
    },
  },
  {
    name: "postgres killed",
    run: async ({ postgres }, random) => {
      await postgres.kill();
      await pause(span(random));
      await postgres.start();
    },
  },
  {
    name: "postgres frozen",
    run: async ({ postgres }, random) => {
      await postgres.freeze();
      await pause(span(random));
      await postgres.thaw();
    },
  },
  {
    name: "index host killed",
    run: async (cluster, random) => signalHost(random.pick(cluster.nodes), "SIGKILL"),
  },
  {
    name: "index host frozen",
    run: async (cluster, random) => {
      const node = random.pick(cluster.nodes);
      const pid = node.hostPid();
      if (pid === undefined) return;
      sendSignal(pid, "SIGSTOP");
      await pause(span(random));
      sendSignal(pid, "SIGCONT");
    },
  },
  {
    name: "node killed",
    run: async (cluster, random) => {
      await random.pick(cluster.nodes).crash();
      await pause(span(random));
    },
  },
  ...(["postgresProxy", "redisProxy"] as const).flatMap((proxy): Fault[] => [
    {
      name: `${proxy === "redisProxy" ? "redis" : "postgres"} links reset`,
      run: async (cluster) => cluster[proxy].reset(),
    },
    {
      name: `${proxy === "redisProxy" ? "redis" : "postgres"} links silent`,
      run: async (cluster, random) => {
        cluster[proxy].blackHole();
        await pause(span(random));
        cluster[proxy].reset();
        await cluster[proxy].pass();
      },
    },
    {
      name: `${proxy === "redisProxy" ? "redis" : "postgres"} replies lost`,
      run: async (cluster, random) => {
        cluster[proxy].dropReplies();
        await pause(100 + random.below(500));
        cluster[proxy].reset();
        await cluster[proxy].pass();
      },
    },
    {
      name: `${proxy === "redisProxy" ? "redis" : "postgres"} links slow`,
      run: async (cluster, random) => {
        cluster[proxy].slow(20 + random.below(80));
        await pause(span(random));
        await cluster[proxy].pass();
      },
    },
  ]),
];

function signalHost(node: ChaosNode, signal: NodeJS.Signals): void {
  const pid = node.hostPid();
  if (pid !== undefined) sendSignal(pid, signal);
}

/** Counted beside the fault that made the sentinel do it. */
const FAILED_OVER = "(redis failed over)";

/** Runs one fault after the other, some seconds apart, until `until` (a `performance.now()`). @returns how many of each. */
export async function runFaults(
  cluster: Cluster,
  random: Random,
  until: number,
  log: (line: string) => void,
  faults: readonly Fault[] = FAULTS,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  while (performance.now() < until) {
    const fault = random.pick(faults);
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
    log(`fault: ${fault.name}`);
    const fromMs = Date.now();
    await fault.run(cluster, random);
    cluster.recordFault({ name: fault.name, fromMs, toMs: Date.now() });
    if (await cluster.settle()) {
      // What the old one acknowledged meanwhile may be missing in the new one. The ledger has it.
      cluster.noteFailover(fromMs);
      cluster.recordFault({ name: FAILED_OVER, fromMs, toMs: Date.now() });
      counts.set(FAILED_OVER, (counts.get(FAILED_OVER) ?? 0) + 1);
      log(`      ${FAILED_OVER}`);
    }
    await pause(Math.min(500 + random.below(2_500), Math.max(0, until - performance.now())));
  }
  return counts;
}
