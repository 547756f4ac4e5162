import { parseArgs } from "node:util";

/** What `npm run bench` was asked for. */
export interface BenchOptions {
  readonly quick: boolean;
  readonly list: boolean;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  /** Instead of what each scenario chooses. */
  readonly rounds?: number;
  /** Where all values of all rounds go. */
  readonly json?: string;
  /** Folder for a profile of each scenario. */
  readonly cpuProfile?: string;
  /** Whether RESULTS.md and its plots are written: by default by a full run of everything only. */
  readonly write: boolean;
}

/** What stands on the command line cannot be done; the message says why. */
export class UsageError extends Error {}

export const USAGE = `npm run bench -- [options]

  --quick            fewer memories and rounds: less than three minutes instead of half an hour
  --only NAME,NAME   these scenarios and no others
  --list             the names
  --rounds N         rounds of each measurement, after the warm-up
  --json FILE        the values of all rounds
  --cpu-prof FOLDER  a profile of each scenario's process, for Chrome's developer tools
  --write            writes bench/RESULTS.md, which a full run of everything does by itself
  --no-write         does not`;

/** @throws {UsageError} */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const only = (values.only ?? "").split(",").filter((name) => name !== "");
  if (values.only !== undefined && only.length === 0) throw new UsageError("--only names no scenario: see --list");
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1)) {
    throw new UsageError(`--rounds is ${values.rounds}: expected a whole number, 1 or more`);
  }
  if (values.write && values["no-write"]) throw new UsageError("--write and --no-write exclude each other");
  const everything = !values.quick && only.length === 0;
  return {
    quick: values.quick,
    list: values.list,
    only,
    write: values.write || (everything && !values["no-write"]),
    ...(rounds !== undefined && { rounds }),
    ...(values.json !== undefined && { json: values.json }),
    ...(values["cpu-prof"] !== undefined && { cpuProfile: values["cpu-prof"] }),
  };
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
        json: { type: "string" },
        "cpu-prof": { type: "string" },
        write: { type: "boolean", default: false },
        "no-write": { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
