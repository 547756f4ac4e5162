import { describe, expect, test } from "vitest";
import { parseBenchOptions, UsageError } from "../../../bench/harness/options.ts";

describe("what is written where", () => {
  test.each([
    [[], true],
    [["--quick"], false],
    [["--only", "check"], false],
    [["--no-write"], false],
    [["--trace"], false],
    [["--quick", "--write"], true],
    [["--only", "check", "--write"], true],
    [["--rounds", "3"], true],
    [["--only", "check", "--with", "all.json"], true],
    [["--only", "check", "--with", "all.json", "--no-write"], false],
  ])("%j: the page of results is written: %s", (args, write) => {
    expect(parseBenchOptions(args).write).toBe(write);
  });
});

test("every option is taken as it is given", () => {
  const args = ["--quick", "--only", "check,repair", "--json", "raw.json", "--rounds", "9", "--cpu-prof", "profiles"];
  args.push("--time", "3", "--with", "/data/all.json");
  args.push("--trace", "--memories", "500", "--conversations", "/data/lines.jsonl");
  expect(parseBenchOptions(args)).toEqual({
    quick: true,
    list: false,
    trace: true,
    only: ["check", "repair"],
    rounds: 9,
    time: 3,
    with: "/data/all.json",
    memories: 500,
    conversations: "/data/lines.jsonl",
    json: "raw.json",
    cpuProfile: "profiles",
    write: false,
  });
});

test.each([
  [["--rounds", "0"], "--rounds is 0: expected a whole number, 1 or more"],
  [["--rounds", "many"], "--rounds is many"],
  [["--only", ","], "--only names no scenario"],
  [["--write", "--no-write"], "exclude each other"],
  [["--fast"], "--fast"],
  [["check"], "check"],
])("%j is refused with a reason", (args, reason) => {
  expect(() => parseBenchOptions(args)).toThrow(UsageError);
  expect(() => parseBenchOptions(args)).toThrow(reason);
});
