import { PerformanceObserver } from "node:perf_hooks";
import type { FreeTable } from "../harness/scenario.ts";
import { quantile } from "../support/statistics.ts";
import type { Message } from "./taps.ts";

/** One write, with its messages. Times are of `performance.now()`. */
export interface TracedWrite {
  readonly beganAt: number;
  readonly endedAt: number;
  readonly messages: readonly Message[];
}

/** Pauses of the program's collector of garbage. */
export class GarbagePauses {
  readonly #pauses: { readonly from: number; readonly to: number }[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      this.#pauses.push({ from: startTime, to: startTime + duration });
    }
  });

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  close(): void {
    this.#observer.disconnect();
  }

  /** Milliseconds of `from` … `to` in which the collector ran. */
  within(from: number, to: number): number {
    return this.#pauses.reduce(
      (sum, pause) => sum + Math.max(0, Math.min(to, pause.to) - Math.max(from, pause.from)),
      0,
    );
  }
}

const STEPS = ["until the first message", "rows and prepare", "commit", "publish", "until the answer"] as const;

/** Milliseconds of each of `STEPS`. Of a row that goes with its COMMIT, both are the commit. */
function stepsOf({ beganAt, endedAt, messages }: TracedWrite): number[] {
  const commit = messages.find(({ what }) => what.endsWith("COMMIT"));
  if (commit === undefined || commit.answeredAt === null) throw new Error("a write without an answered COMMIT");
  const committedAt = commit.answeredAt;
  const publishes = messages.filter(({ what, sentAt }) => /publish$/i.test(what) && sentAt >= committedAt);
  const publishedAt = Math.max(
    committedAt,
    ...publishes.map(({ answeredAt }) => Math.min(answeredAt ?? endedAt, endedAt)),
  );
  const firstAt = messages[0]?.sentAt ?? beganAt;
  return [
    firstAt - beganAt,
    commit.sentAt - firstAt,
    committedAt - commit.sentAt,
    publishedAt - committedAt,
    endedAt - publishedAt,
  ];
}

/** Where the slow writes lose their time: each step of all writes, of the slowest twentieth and of the slowest hundredth. */
export function phasesTable(writes: readonly TracedWrite[], pauses: Pick<GarbagePauses, "within">): FreeTable {
  const slowest = writes.toSorted((a, b) => b.endedAt - b.beganAt - (a.endedAt - a.beganAt));
  const groups = [
    writes,
    slowest.slice(0, Math.ceil(writes.length / 20)),
    slowest.slice(0, Math.ceil(writes.length / 100)),
  ];
  const rows = [
    ...STEPS.map((name, step) => [
      name,
      ...groups.map((group) => middle(group, (write) => stepsOf(write)[step] as number)),
    ]),
    ["**in all**", ...groups.map((group) => middle(group, ({ beganAt, endedAt }) => endedAt - beganAt))],
    [
      "of it, the program's collector (mean)",
      ...groups.map((group) => mean(group, ({ beganAt, endedAt }) => pauses.within(beganAt, endedAt))),
    ],
  ];
  return { columns: ["step, ms", "median", "of the slowest 5 %", "of the slowest 1 %"], rows };
}

function middle(writes: readonly TracedWrite[], of: (write: TracedWrite) => number): string {
  return quantile(writes.map(of), 0.5).toFixed(2);
}

function mean(writes: readonly TracedWrite[], of: (write: TracedWrite) => number): string {
  return (writes.reduce((sum, write) => sum + of(write), 0) / writes.length).toFixed(2);
}
