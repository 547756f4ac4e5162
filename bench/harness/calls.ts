import { collectYoungGarbage } from "../support/garbage.ts";
import { quantile } from "../support/statistics.ts";
import type { RoundOptions } from "./rounds.ts";
import type { Measure, Role } from "./scenario.ts";

/** One of those that take turns at the same calls. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
  /** Calls of a kind in a round: a slow one makes fewer, of a slow kind each does. */
  readonly count: number | ((kind: string) => number);
  /** Makes one call of a kind, and checks what came out. @param at 0 and up. */
  call(kind: string, at: number): Promise<void>;
}

/**
 * The p50 of calls that take a tenth of a millisecond, side by side: each caller makes one call, then all make the next one, another one
 * first. A turn of a thousand calls each would measure how the machine fares from second to second: by up to twice as long.
 */
export async function alternateCalls(
  callers: readonly Caller[],
  kinds: readonly string[],
  options: RoundOptions,
): Promise<Measure[]> {
  const { rounds, budget, warmUps = 1, before, onRound, clock = () => performance.now() } = options;
  const values = callers.map(() => kinds.map((): number[] => []));
  let longestMs = 0;
  let played = 0;
  for (let turn = 0; played < rounds; turn++) {
    if (turn > warmUps && budget?.fits(longestMs) === false) break;
    const startedAt = clock();
    for (const [kindAt, kind] of kinds.entries()) {
      await before?.();
      const found = await roundOf(callers, kind, clock);
      if (turn < warmUps) continue;
      for (const [callerAt, times] of found.entries()) values[callerAt]?.[kindAt]?.push(quantile(times, 0.5));
    }
    longestMs = Math.max(longestMs, clock() - startedAt);
    if (turn < warmUps) continue;
    played++;
    onRound?.(played);
  }
  return callers.flatMap(({ name, role }, callerAt) =>
    kinds.map(
      (kind, kindAt): Measure => ({
        contender: name,
        role,
        unit: "ms",
        figure: `${kind}, p50`,
        values: values[callerAt]?.[kindAt] ?? [],
        ...(played < rounds && { roundsPlanned: rounds }),
      }),
    ),
  );
}

/** Milliseconds of each call of a kind, by caller. */
async function roundOf(callers: readonly Caller[], kind: string, clock: () => number): Promise<number[][]> {
  collectYoungGarbage();
  const times = callers.map((): number[] => []);
  const counts = callers.map(({ count }) => (typeof count === "number" ? count : count(kind)));
  for (let at = 0; at < Math.max(...counts); at++) {
    for (let next = 0; next < callers.length; next++) {
      const index = (at + next) % callers.length;
      const caller = callers[index] as Caller;
      if (at >= (counts[index] as number)) continue;
      const startedAt = clock();
      await caller.call(kind, at);
      times[index]?.push(clock() - startedAt);
    }
  }
  return times;
}
