import { median } from "../support/statistics.ts";
import { formatNumber, formatRatio, formatSpread, formatTarget } from "./format.ts";
import type { Machine } from "./machine.ts";
import type { ScenarioOutcome } from "./run-scenario.ts";
import type { FreeTable, Measure, ScenarioResult } from "./scenario.ts";
import { floorOf, isMet } from "./targets.ts";

/** One run of the benchmarks. */
export interface Run {
  readonly machine: Machine;
  /** ISO-8601. */
  readonly startedAt: string;
  readonly quick: boolean;
  readonly outcomes: readonly ScenarioOutcome[];
  /** Names of scenarios that this run left out. */
  readonly leftOut: readonly string[];
  /** Scenarios that were run again later, in place of what this run had found (`--with`). */
  readonly again?: readonly RunAgain[];
}

interface RunAgain {
  /** ISO-8601. */
  readonly startedAt: string;
  /** Of the machine, before. */
  readonly load: string | undefined;
  readonly names: readonly string[];
}

const INTRODUCTION = `All figures come from one machine, those of a scenario from one run, the contenders taking turns, and what counts is the ratio: what a store
alone can do there is the floor. Medians of the rounds, with the lowest and the highest. A round counts when its result was
checked: counts in all stores, and a sample read back and compared by checksum. Made by \`npm run bench\`; not edited by hand.`;

const CONDITIONS = `Conditions: servers of the run's own with their default settings, on the same machine as the program and over TCP. PostgreSQL
syncs to disk before it answers a commit. Redis keeps everything in memory alone, as a cache does, for all contenders. Each
scenario has a process, a database and an index folder of its own and an emptied Redis; before each turn there is a checkpoint
where something is written, the young garbage is collected, and the servers have come to rest. "PostgreSQL alone" is a table with
the same rows, and neither versions nor history nor other stores.`;

/** RESULTS.md. @param plots scenario name → path of its plot, from where the page is. */
export function resultsPage(run: Run, plots: ReadonlyMap<string, string>): string {
  const targets = run.outcomes.flatMap(({ results }) => results.flatMap((result) => result.targets));
  const parts = [
    "# Measured",
    INTRODUCTION,
    table({ columns: ["machine", ""], rows: Object.entries(run.machine) }),
    `${run.startedAt.slice(0, 10)}, ${run.quick ? "a quick run: few memories, few rounds" : "a full run"}.`,
    CONDITIONS,
    ...notes(run),
    "## Targets",
    `${targets.filter(isMet).length} of ${targets.length} are met.`,
    ...run.outcomes.filter(({ results }) => results.length > 0).map(targetsOf),
    ...run.outcomes.map((outcome) => scenarioSection(outcome, plots.get(outcome.name))),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** One scenario, for the page and for the terminal. */
export function scenarioSection({ name, results, failure, seconds }: ScenarioOutcome, plot?: string): string {
  const parts = [
    `## ${name}`,
    ...(failure === undefined ? [] : [`**FAILED** after ${seconds.toFixed(0)} s: ${failure.split("\n")[0]}`]),
    ...results.map(resultSection),
    ...(plot === undefined ? [] : [`![${name}](${plot})`]),
  ];
  return parts.join("\n\n");
}

function resultSection({ title, method, measures, targets, table: free }: ScenarioResult): string {
  const parts = [
    `### ${title}`,
    method,
    ...(measures.length === 0 ? [] : [measuresTable(measures), roundsLine(measures)]),
    ...(free === undefined ? [] : [table(free)]),
    targets.map((target) => `- ${formatTarget(target)}`).join("\n"),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** How many values there are behind each median. */
function roundsLine(measures: readonly Measure[]): string {
  const counts = measures.map(({ values }) => values.length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const planned = Math.max(...measures.map(({ roundsPlanned = 0 }) => roundsPlanned));
  const found = fewest === most ? `${most}` : `${fewest} to ${most}`;
  return planned > fewest ? `Rounds: ${found} of ${planned}, for which there was no time.` : `Rounds: ${found}.`;
}

export function measuresTable(measures: readonly Measure[]): string {
  const withFigure = measures.some(({ figure }) => figure !== undefined);
  const withFloor = measures.some(({ role }) => role === "floor");
  const withDurable = measures.some(({ durable }) => durable !== undefined);
  const rows = measures.map((measure) => {
    const floor = floorOf(measures, measure);
    return [
      measure.role === "ours" ? `**${measure.contender}**` : measure.contender,
      ...(withFigure ? [measure.figure ?? ""] : []),
      `${formatNumber(median(measure.values))} ${measure.unit}`,
      formatSpread(measure.values),
      ...(withFloor ? [floor === null ? "" : formatRatio(median(measure.values) / median(floor.values))] : []),
      ...(withDurable ? [measure.durable ?? ""] : []),
    ];
  });
  const columns = [
    "contender",
    ...(withFigure ? ["figure"] : []),
    "median",
    "spread",
    ...(withFloor ? ["times the floor"] : []),
    ...(withDurable ? ["durable when it answers"] : []),
  ];
  return table({ columns, rows });
}

export function table({ columns, rows }: FreeTable): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

function targetsOf({ name, results }: ScenarioOutcome): string {
  const lines = results.flatMap(({ title, targets }) =>
    targets.map(
      (target) =>
        `- ${isMet(target) ? "" : "**"}${name}, ${title}: ${formatTarget(target)}${isMet(target) ? "" : "**"}`,
    ),
  );
  return lines.join("\n");
}

function notes({ outcomes, leftOut, again = [] }: Run): string[] {
  const failed = outcomes.filter(({ failure }) => failure !== undefined).map(({ name }) => name);
  return [
    ...(failed.length === 0 ? [] : [`**Failed in this run, and so without figures: ${failed.join(", ")}.**`]),
    ...(leftOut.length === 0 ? [] : [`**Not run this time: ${leftOut.join(", ")}.**`]),
    ...again.map(
      ({ startedAt, load, names }) =>
        `Run again by themselves on the same machine, ${startedAt.slice(0, 16).replace("T", " ")} UTC, load average before ${load}: ${names.join(", ")}.`,
    ),
  ];
}
