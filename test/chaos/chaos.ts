import { pollUntil } from "../../src/dev/wait.ts";
import { Random } from "../support/random.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { deploymentFaults } from "./deployment-faults.ts";
import { FAULTS, type Fault, runFaults } from "./faults.ts";
import { HISTORY_FAULTS } from "./history-faults.ts";
import { mayBeOlder, mayBeStale } from "./loss-window.ts";
import type { WentBack } from "./messages.ts";
import { type Verdict, verify } from "./verify.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  /**
   * `plain`: parts die, freeze and are cut off. `history`: the ledger and Redis go back in time too: restores, failovers,
   * an old data set. `all`: Redis has a sentinel, one node goes through PgBouncer, PostgreSQL's disk is full, clocks jump.
   */
  readonly faults: "plain" | "history" | "all";
  readonly log: (line: string) => void;
}

export interface ChaosResult extends Verdict {
  readonly faults: ReadonlyMap<string, number>;
  /** Milliseconds from the end of the faults and of the load until all stores agreed. */
  readonly convergedMs: number;
  /** Where the histories are, when something went wrong. */
  readonly kept: string | null;
}

/** Milliseconds that the stores have to agree once the faults are over. */
const CONVERGE_DEADLINE_MS = 30_000;
/** The same where stores went back: a leader notices it first, and every store is compared. */
const RESTORED_DEADLINE_MS = 90_000;

/**
 * Goal: the promises hold under any mix of faults. Method: 8 writers and 4 readers on 2 nodes, a fault every few seconds
 * on some part, every acknowledged call written down; at the end the histories are held against the ledger, and the
 * stores must agree without a repair. The seed fixes the faults and the calls, not their interleaving.
 */
export async function runChaos({ seed, minutes, faults: kinds, log }: ChaosOptions): Promise<ChaosResult> {
  const random = new Random(seed);
  const history = kinds !== "plain";
  const cluster = await openCluster({ seed, keys: 60, writersPerNode: 4, history, deployment: kinds === "all", log });
  const violations: string[] = [];
  let converged = false;
  let excusedOlder = 0;
  const unexcused: WentBack[] = [];
  try {
    const faults = await runFaults(
      cluster,
      random,
      performance.now() + minutes * 60_000,
      log,
      faultsOf(kinds, cluster),
    );
    log("faults are over; waiting for the calls under way");
    await Promise.all(cluster.nodes.map((node) => node.waitFor("ready")));
    for (const settled of await Promise.all(cluster.nodes.map((node) => node.ask("settle", "settled")))) {
      if (settled.unsettled > 0) violations.push(`${settled.unsettled} calls never settled`);
      const windows = [...cluster.windows, ...cluster.readWindows];
      const wentBack = settled.wentBack.filter(
        (read) => !mayBeStale(read, windows) && !mayBeOlder(read, cluster.olderWindows),
      );
      excusedOlder += settled.wentBack.length - wentBack.length;
      unexcused.push(...wentBack);
    }
    const began = performance.now();
    const convergeDeadlineMs = history ? RESTORED_DEADLINE_MS : CONVERGE_DEADLINE_MS;
    let differences: string[] = [];
    try {
      await pollUntil("the stores to agree", convergeDeadlineMs, async () => {
        const answers = await Promise.all(cluster.nodes.map((node) => node.ask("check", "checked")));
        differences = answers.flatMap((answer) => [
          ...answer.findings,
          ...(answer.backlog > 0 ? [`${answer.backlog} in the backlog`] : []),
        ]);
        return differences.length === 0;
      });
    } catch {
      violations.push(`no agreement within ${convergeDeadlineMs} ms: ${differences.slice(0, 5).join("; ")}`);
    }
    const convergedMs = Math.round(performance.now() - began);
    await Promise.all(cluster.nodes.map((node) => node.ask("close", "closed")));
    const verdict = await verify(
      cluster.postgresUrl,
      cluster.nodes.map((node) => node.settings.historyFile),
      cluster.windows,
      cluster.readWindows,
      unexcused,
    );
    const all = [...violations, ...cluster.failures, ...verdict.violations];
    converged = all.length === 0;
    const byStatus = excusedOlder === 0 ? verdict.byStatus : { ...verdict.byStatus, "excused older": excusedOlder };
    return { ...verdict, byStatus, violations: all, faults, convergedMs, kept: converged ? null : cluster.folder };
  } finally {
    await cluster.close({ keep: !converged });
  }
}

/** Faults to pick from. Those of the history and the deployment come twice as often as each of the plain ones. */
function faultsOf(kinds: ChaosOptions["faults"], cluster: Cluster): Fault[] {
  const history = kinds === "plain" ? [] : HISTORY_FAULTS;
  const deployment = kinds === "all" ? deploymentFaults(cluster) : [];
  return [...FAULTS, ...history, ...history, ...deployment, ...deployment];
}

/** What a run did, for people. */
export function describe(result: ChaosResult, seed: number): string[] {
  const faults = [...result.faults].toSorted().map(([name, count]) => `${name} ${count}`);
  const total = [...result.faults.values()].reduce((sum, count) => sum + count, 0);
  return [
    `seed ${seed}: ${result.writes} writes, ${result.reads} reads, ${total} faults, stores agreed after ${result.convergedMs} ms`,
    `  calls:  ${Object.entries(result.byStatus)
      .toSorted()
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}`,
    `  reads showed what the ledger had lost for ${result.staleMsMax} ms at most`,
    `  faults: ${faults.join(", ")}`,
    ...result.violations.map((violation) => `  VIOLATION ${violation}`),
    ...(result.kept === null ? [] : [`  the histories are kept in ${result.kept}`]),
  ];
}
