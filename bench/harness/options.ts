import { resolve } from "node:path";
import { parseArgs } from "node:util";

/** What `npm run bench` was asked for. */
export interface BenchOptions {
  readonly quick: boolean;
  readonly list: boolean;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  /** Instead of what each scenario chooses. */
  readonly rounds?: number;
  /** Times the seconds that each scenario is planned to take: more rounds fit into them. */
  readonly time?: number;
  /** Where all values of all rounds go. */
  readonly json?: string;
  /** Memories of a scenario whose size can be chosen (list, filter). */
  readonly memories?: number;
  /** File of conversations, a memory a line as JSON, for the scenario `hybrid`. */
  readonly conversations?: string;
  /** Folder for a profile of each scenario. */
  readonly cpuProfile?: string;
  /** Whether the scenarios that can do so show one call, message by message, in place of measuring. */
  readonly trace: boolean;
  /** Whether RESULTS.md and its plots are written: by default by a full run of everything, or of some `with` the others. */
  readonly write: boolean;
  /** File of an earlier run, whose scenarios stand in RESULTS.md where this run has none. */
  readonly with?: string;
}

/** What stands on the command line cannot be done; the message says why. */
export class UsageError extends Error {}

export const USAGE = `npm run bench -- [options]

  --quick            fewer memories and rounds: some 200 seconds instead of 35 minutes
  --only NAME,NAME   these scenarios and no others
  --list             the names
  --rounds N         rounds of each measurement, after the warm-up
  --time N           N times the seconds that each scenario is planned to take, for rounds that did not fit into them
  --memories N       size of the scenarios list and filter, and the largest one of growth
  --conversations FILE  memories as JSON lines, for the quality of hybrid, which is left out without them
  --json FILE        the values of all rounds
  --cpu-prof FOLDER  a profile of each scenario's process, for Chrome's developer tools
  --trace            of the scenario single: one write and one search, message by message with times
  --with FILE        a run that --json wrote: the scenarios of this run in place of its own, and both in RESULTS.md
  --write            writes bench/RESULTS.md, which a full run of everything, or one --with the others, does by itself
  --no-write         does not`;

/** @throws {UsageError} */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const only = (values.only ?? "").split(",").filter((name) => name !== "");
  if (values.only !== undefined && only.length === 0) throw new UsageError("--only names no scenario: see --list");
  const rounds = countOf(values.rounds, "--rounds");
  const time = countOf(values.time, "--time");
  const memories = countOf(values.memories, "--memories");
  if (values.write && values["no-write"]) throw new UsageError("--write and --no-write exclude each other");
  const makesPage = !values.quick && !values.trace && (only.length === 0 || values.with !== undefined);
  return {
    quick: values.quick,
    list: values.list,
    only,
    trace: values.trace,
    write: values.write || (makesPage && !values["no-write"]),
    ...(rounds !== undefined && { rounds }),
    ...(time !== undefined && { time }),
    ...(values.json !== undefined && { json: values.json }),
    ...(memories !== undefined && { memories }),
    ...(values.conversations !== undefined && { conversations: resolve(values.conversations) }),
    ...(values.with !== undefined && { with: resolve(values.with) }),
    ...(values["cpu-prof"] !== undefined && { cpuProfile: values["cpu-prof"] }),
  };
}

function countOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new UsageError(`${option} is ${text}: expected a whole number, 1 or more`);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        only: { type: "string" },
        rounds: { type: "string" },
        time: { type: "string" },
        memories: { type: "string" },
        conversations: { type: "string" },
        json: { type: "string" },
        "cpu-prof": { type: "string" },
        trace: { type: "boolean", default: false },
        with: { type: "string" },
        write: { type: "boolean", default: false },
        "no-write": { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
