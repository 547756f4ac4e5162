import { readFile } from "node:fs/promises";
import type { Listed } from "./catalogue.ts";
import type { Machine } from "./machine.ts";
import type { Run } from "./markdown.ts";
import { UsageError } from "./options.ts";

/** What differs from run to run on one machine. */
const PASSING = new Set(["fsync of 8 KiB", "load average before"]);

/** A run that `--json` wrote. @throws {UsageError} There is no such file, or it holds something else. */
export async function readRun(file: string): Promise<Run> {
  let run: Partial<Run> | null;
  try {
    run = JSON.parse(await readFile(file, "utf8")) as Partial<Run> | null;
  } catch (error) {
    throw new UsageError(`--with ${file}: ${(error as Error).message}`);
  }
  if (!Array.isArray(run?.outcomes) || typeof run.machine !== "object" || typeof run.startedAt !== "string") {
    throw new UsageError(`--with ${file}: expected a run that --json wrote`);
  }
  return run as Run;
}

/** @throws {UsageError} The runs had different machines, or one is quick and the other full: their figures do not belong together. */
export function assertComparable(run: Pick<Run, "machine" | "quick">, earlier: Run): void {
  const differing = differenceOf(run.machine, earlier.machine);
  if (differing !== null) throw new UsageError(`--with: the earlier run had another machine: ${differing}`);
  if (run.quick !== earlier.quick) throw new UsageError("--with: one of the runs is a quick one, the other is not");
}

/** Both runs as one: scenarios that ran again stand in place of the earlier ones, and the page says which these are. */
export function withEarlier(run: Run, earlier: Run, all: readonly Pick<Listed, "name">[]): Run {
  const again = run.outcomes.map(({ name }) => name);
  const outcomes = all.flatMap(({ name }) => {
    const isNamed = (outcome: { readonly name: string }): boolean => outcome.name === name;
    const outcome = run.outcomes.find(isNamed) ?? earlier.outcomes.find(isNamed);
    return outcome === undefined ? [] : [outcome];
  });
  const ran = outcomes.map(({ name }) => name);
  return {
    ...earlier,
    outcomes,
    leftOut: all.map(({ name }) => name).filter((name) => !ran.includes(name)),
    again: [
      ...(earlier.again ?? []),
      { startedAt: run.startedAt, load: run.machine["load average before"], names: again },
    ],
  };
}

function differenceOf(machine: Machine, earlier: Machine): string | null {
  for (const [what, value] of Object.entries(machine)) {
    if (!PASSING.has(what) && earlier[what] !== value) return `${what}: ${earlier[what]}, now ${value}`;
  }
  return null;
}
