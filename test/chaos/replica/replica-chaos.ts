import { pause } from "../../../src/dev/wait.ts";
import { Random } from "../../support/random.ts";
import { Tally } from "../edge/faults.ts";
import { installAudit } from "./audit.ts";
import { plainFaults } from "./faults.ts";
import { compareSides, converge } from "./final.ts";
import { Gate } from "./gate.ts";
import { Lost } from "./lost.ts";
import { Model, now } from "./model.ts";
import { OPERATOR_FAULTS } from "./operator-faults.ts";
import { Passed } from "./passed.ts";
import { PAST_FAULTS } from "./past-faults.ts";
import { Reader } from "./readers.ts";
import type { Fault, Run } from "./run.ts";
import { Twins } from "./twins.ts";
import { Watch } from "./watch.ts";
import { Writers } from "./writers.ts";

export interface ReplicaChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly log: (line: string) => void;
  /** Whether the run ends once a promise was broken. @default false */
  readonly untilFound?: boolean;
}

export interface ReplicaChaosResult {
  readonly violations: readonly string[];
  /** Milliseconds from the first write until the first of them was told; null: none was. */
  readonly foundMs: number | null;
  readonly faults: Tally;
  readonly events: Tally;
  /** Writes that were acknowledged. */
  readonly writes: Tally;
  /** Reads that were answered. */
  readonly reads: Tally;
  /** Writes and reads that were not: what they broke with. */
  readonly failures: { readonly writes: Tally; readonly reads: Tally };
  /** Looks into the replica. */
  readonly looks: number;
  /** Questions of looks that were asked again, since they had no answer. */
  readonly repeated: number;
  /** Versions of the primary that were looked for in the replica, once its place was behind them. */
  readonly passed: number;
  /** Versions that the primary lost and the replica had; those of them that are kept, and that were withheld since. */
  readonly lost: { readonly total: number; readonly kept: number; readonly withheld: number };
  /** Milliseconds until nodes noticed that the primary was put back, at most. */
  readonly noticedMs: number;
  /** Memories and versions of the primary at the end, and memories of the archive; null: they were not compared. */
  readonly compared: { readonly memories: number; readonly bodies: number; readonly archived: number } | null;
  /** Milliseconds from the end of the faults until the replica had caught up; null: it did not. */
  readonly convergedMs: number | null;
  /** Where the logs of the nodes are, when something went wrong. */
  readonly kept: string | null;
}

/** Violations that are told: one alone is a failure, the others are for finding out why. */
const VIOLATIONS_MAX = 40;

/**
 * Goal: the replica keeps its promises under any mix of faults. Method: see README.md. The seed fixes the faults and the calls, not
 * their interleaving.
 */
export async function runReplicaChaos(options: ReplicaChaosOptions): Promise<ReplicaChaosResult> {
  const { seed, minutes, log, untilFound = false } = options;
  const random = new Random(seed);
  const twins = await Twins.open(log);
  await twins.inside("replica", installAudit);
  const violations: string[] = [];
  const told = new Set<string>();
  const beganAt = performance.now();
  let foundMs: number | null = null;
  const complain = (text: string): void => {
    // A read that is repeated is told once.
    const [what = text] = text.split(" (");
    if (violations.length >= VIOLATIONS_MAX || told.has(what)) return;
    told.add(what);
    foundMs ??= Math.round(performance.now() - beganAt);
    violations.push(text);
    log(`VIOLATION at ${Math.round(now())}: ${text}`);
  };
  const [model, gate, events] = [new Model(), new Gate(), new Tally()];
  const [reads, failedReads, measured] = [new Tally(), new Tally(), { noticedMs: 0 }];
  const writers = new Writers({ sync: twins.sync, model, gate, random: new Random(seed + 1) });
  const reader = (number: number): Reader => {
    const archive = number % 2 === 1;
    const sync = archive ? twins.archive : twins.sync;
    return new Reader({
      ...{ sync, archive, model, gate, counts: reads, failures: failedReads, complain },
      random: new Random(seed + 10 + number),
    });
  };
  const readers = [0, 1].map(reader);
  const watch = new Watch(twins.replica.url, complain);
  const passed = new Passed({ primaryUrl: twins.primary.url, replicaUrl: twins.replica.url, complain });
  const lost = new Lost(twins, model);
  const looking = { model, gate, writers, readers, watch, passed, lost };
  const run: Run = { ...looking, twins, random, events, measured, complain, log };
  let isRight = false;
  try {
    const isOver = (): boolean => untilFound && violations.length > 0;
    const faults = await runFaults(run, performance.now() + minutes * 60_000, minutes, isOver);
    log("faults are over");
    await writers.stop();
    const convergedMs = isOver() ? null : await converge(run);
    await Promise.all(readers.map((one) => one.stop()));
    await watch.stop();
    await passed.look();
    await passed.stop();
    const compared = convergedMs === null ? null : await compareSides(run);
    violations.push(...twins.failures);
    isRight = violations.length === 0;
    return {
      ...{ violations, foundMs, faults, events, reads, compared, convergedMs },
      ...{ writes: writers.counts, failures: { writes: writers.failures, reads: failedReads } },
      lost: { total: lost.total, kept: lost.kept, withheld: lost.withheld },
      ...{
        noticedMs: measured.noticedMs,
        looks: watch.looks,
        repeated: watch.repeated + passed.repeated,
        passed: passed.versions,
        kept: isRight ? null : twins.folder,
      },
    };
  } finally {
    gate.open();
    await Promise.allSettled([writers.stop(), ...readers.map((one) => one.stop()), watch.stop(), passed.stop()]);
    await twins.close({ keep: !isRight });
  }
}

/** One fault after the other, some seconds apart, until `until` (a `performance.now()`). Each kind comes early once. */
async function runFaults(run: Run, until: number, minutes: number, isOver: () => boolean): Promise<Tally> {
  const { twins, random, log } = run;
  const all: readonly Fault[] = [...plainFaults(run, minutes >= 3), ...OPERATOR_FAULTS, ...PAST_FAULTS];
  const first = shuffled([...new Set(all)], random);
  const counts = new Tally();
  await pause(1_000);
  while (performance.now() < until && !isOver()) {
    const fault = first.pop() ?? random.pick(all);
    counts.add(fault.name);
    log(`${Math.round(now())} fault: ${fault.name}`);
    await fault.run(run);
    await twins.restoreWays();
    await pause(Math.min(300 + random.below(2_000), Math.max(0, until - performance.now())));
  }
  return counts;
}

function shuffled<T>(items: T[], random: Random): T[] {
  for (let at = items.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [items[at], items[other]] = [items[other] as T, items[at] as T];
  }
  return items;
}

/** What a run did, for people. */
export function describe(result: ReplicaChaosResult, seed: number): string[] {
  const { writes, reads, failures, lost, faults, compared, violations } = result;
  return [
    `seed ${seed}: ${writes.total} writes and ${reads.total} reads answered, ${result.looks} looks into the replica ` +
      `(${result.repeated} asked again), ` +
      `${result.passed} versions looked for behind its place, ${faults.total} faults, ${violations.length} violations`,
    `  caught up ${result.convergedMs} ms after the faults; compared ${compared?.memories} memories, ${compared?.bodies} versions, ` +
      `${compared?.archived} of the archive; ` +
      `the primary lost ${lost.total} versions that the replica had: ${lost.kept} are kept, ${lost.withheld} were withheld since; ` +
      `noticed within ${result.noticedMs} ms`,
    `  writes: ${writes}; ${failures.writes.total} others: ${failures.writes}`,
    `  reads:  ${reads}; ${failures.reads.total} failed: ${failures.reads}`,
    `  faults: ${faults}`,
    `  events: ${result.events}`,
    ...(result.foundMs === null ? [] : [`  the first violation was told ${result.foundMs} ms after the first write`]),
    ...violations.map((violation) => `  VIOLATION ${violation}`),
    ...(result.kept === null ? [] : [`  the logs of the nodes are kept in ${result.kept}`]),
  ];
}
