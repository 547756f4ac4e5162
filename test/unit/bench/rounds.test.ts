import { expect, test } from "vitest";
import { alternate, type Contender, order, roundsOf } from "../../../bench/harness/rounds.ts";

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

test("the rounds are those asked for, or fit the size", () => {
  expect(roundsOf({ quick: false }, 7, 3)).toBe(7);
  expect(roundsOf({ quick: true }, 7, 3)).toBe(3);
  expect(roundsOf({ quick: true, rounds: 11 }, 7, 3)).toBe(11);
});
