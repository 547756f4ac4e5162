import { expect, test } from "vitest";
import { Budget } from "../../../bench/harness/budget.ts";
import { alternateCalls, type Caller } from "../../../bench/harness/calls.ts";
import { alternate, type Contender, order, planRounds } from "../../../bench/harness/rounds.ts";

/** Answers a figure for each turn, and notes that it was its turn. */
function contender(name: string, answers: (turn: number) => number[], calls: string[] = []): Contender {
  const figures = answers(0).map((_, at) => ({ name: `figure ${at}`, unit: "ms" as const }));
  return {
    name,
    role: "ours",
    figures,
    run: async (turn) => {
      calls.push(`${name}${turn}`);
      return answers(turn);
    },
  };
}

test("contenders take turns, and every second turn the other way round", async () => {
  const calls: string[] = [];
  const all = ["a", "b", "c"].map((name) => contender(name, () => [1], calls));
  const rounds: number[] = [];
  await alternate(all, { rounds: 2, warmUps: 1, onRound: (round) => void rounds.push(round) });
  expect(rounds).toEqual([1, 2]);
  expect(calls).toEqual(["a0", "b0", "c0", "c1", "b1", "a1", "a2", "b2", "c2"]);
  expect(order(3, 0)).toEqual([0, 1, 2]);
  expect(order(3, 5)).toEqual([2, 1, 0]);
});

test("the warm-up is no value, and the values are in order of the rounds", async () => {
  const measures = await alternate([contender("a", (turn) => [turn, turn * 10])], { rounds: 3, warmUps: 2 });
  expect(measures).toEqual([
    { contender: "a", role: "ours", figure: "figure 0", unit: "ms", values: [2, 3, 4] },
    { contender: "a", role: "ours", figure: "figure 1", unit: "ms", values: [20, 30, 40] },
  ]);
});

test("before each turn of anybody the stores come to rest", async () => {
  const calls: string[] = [];
  const before = async () => void calls.push("rest");
  await alternate([contender("a", () => [1], calls), contender("b", () => [1], calls)], {
    rounds: 1,
    warmUps: 0,
    before,
  });
  expect(calls).toEqual(["rest", "a0", "rest", "b0"]);
});

test.each([[[]], [[1, 2]], [[Number.NaN]], [[Number.POSITIVE_INFINITY]], [[-1]]])(
  "an answer of %j for one figure is an error, not a value",
  async (answer) => {
    const broken = { ...contender("a", () => [1]), run: async () => answer };
    await expect(alternate([broken], { rounds: 1 })).rejects.toThrow("a answered");
  },
);

test("what fails in a warm-up fails the scenario", async () => {
  const broken = { ...contender("a", () => [1]), run: () => Promise.reject(new Error("the result is wrong")) };
  await expect(alternate([broken], { rounds: 1 })).rejects.toThrow("the result is wrong");
});

test("the rounds are those asked for, whatever time they take, or those that fit the size and the time", () => {
  const budget = new Budget(1_000);
  expect(planRounds({ quick: false, budget }, 7, 3)).toEqual({ rounds: 7, budget });
  expect(planRounds({ quick: true, budget }, 7, 3)).toEqual({ rounds: 3, budget });
  expect(planRounds({ quick: true, rounds: 11, budget }, 7, 3)).toEqual({ rounds: 11 });
});

/** A contender whose turns take `seconds`, each after the other, and what there is of time for it. */
function timedRounds(budgetSeconds: number, ...seconds: number[]) {
  let now = 0;
  const calls: string[] = [];
  const a = contender("a", (turn) => [turn], calls);
  const slow: Contender = {
    ...a,
    run: async (turn) => {
      now += (seconds[turn] ?? seconds.at(-1) ?? 0) * 1_000;
      return await a.run(turn);
    },
  };
  const clock = () => now;
  return {
    calls,
    contenders: [slow, contender("b", (turn) => [turn], calls)],
    clock,
    budget: new Budget(budgetSeconds * 1_000, clock),
  };
}

test("no round begins that would not end in time, by the longest one so far, and it is said how many were wanted", async () => {
  const { contenders, ...options } = timedRounds(9, 2, 3, 2);
  const measures = await alternate(contenders, { ...options, rounds: 5 });
  expect(measures.map(({ values, roundsPlanned }) => ({ values, roundsPlanned }))).toEqual([
    { values: [1, 2], roundsPlanned: 5 },
    { values: [1, 2], roundsPlanned: 5 },
  ]);
});

test("where there is time for all rounds, nothing is said of it", async () => {
  const { contenders, ...options } = timedRounds(10, 2);
  const [measure] = await alternate(contenders, { ...options, rounds: 4 });
  expect(measure).toEqual({ contender: "a", role: "ours", figure: "figure 0", unit: "ms", values: [1, 2, 3, 4] });
});

test("one round of everybody counts, however little time there is, and one before it does not", async () => {
  const { contenders, calls, ...options } = timedRounds(0, 60);
  const measures = await alternate(contenders, { ...options, rounds: 5, warmUps: 3 });
  expect(calls).toEqual(["a0", "b0", "b1", "a1"]);
  expect(measures.map(({ values }) => values)).toEqual([[1], [1]]);
});

test("a second warm-up is left out when it would take the time of the first round", async () => {
  const { contenders, calls, ...options } = timedRounds(5, 2);
  await alternate(contenders, { ...options, rounds: 5, warmUps: 2 });
  expect(calls.filter((call) => call.startsWith("a"))).toEqual(["a0", "a1"]);
});

test("what one measurement leaves of its part is there for the others", () => {
  let now = 0;
  const budget = new Budget(9_000, () => now);
  const first = budget.part(3);
  expect(first.remainingMs).toBe(3_000);
  now += 1_000;
  expect(first.fits(2_000)).toBe(true);
  expect(first.fits(2_001)).toBe(false);
  expect(budget.part(2).remainingMs).toBe(4_000);
  now += 20_000;
  expect(budget.part(1).remainingMs).toBe(0);
  expect(first.fits(1)).toBe(false);
});

test("callers make one call each in turn, another one first each time, and a slow one fewer", async () => {
  let ms = 0;
  const calls: string[] = [];
  const caller = (name: string, count: number, takesMs: number): Caller => ({
    ...{ name, role: "ours", count },
    call: async (kind, at) => {
      calls.push(`${kind} ${name}${at}`);
      ms += takesMs + at;
    },
  });
  const measures = await alternateCalls([caller("a", 3, 10), caller("b", 2, 20)], ["get", "list"], {
    ...{ rounds: 1, warmUps: 0, clock: () => ms },
  });
  expect(calls.slice(0, 5)).toEqual(["get a0", "get b0", "get b1", "get a1", "get a2"]);
  expect(calls).toHaveLength(10);
  expect(measures.map(({ contender, figure, values }) => [contender, figure, values])).toEqual([
    ["a", "get, p50", [11]],
    ["a", "list, p50", [11]],
    ["b", "get, p50", [21]],
    ["b", "list, p50", [21]],
  ]);
  // The first round comes whatever the budget, and no more than fit.
  const short = await alternateCalls([caller("a", 1, 10)], ["get"], {
    ...{ rounds: 3, warmUps: 1, clock: () => ms, budget: new Budget(5, () => ms) },
  });
  expect(short).toMatchObject([{ values: [10], roundsPlanned: 3 }]);
});
