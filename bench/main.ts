/**
 * Question: what do three consistent stores cost beside the price of one?
 *
 *     npm run bench -- [--quick] [--only NAME,NAME] [--list] [--json FILE] [--rounds N] [--time N] [--cpu-prof FOLDER] [--trace] [--with FILE] [--no-write]
 *
 * Real servers of the run's own, which end with it. Each scenario runs in a process of its own against the floors that the
 * stores alone set, in turns; results are checked before they count. A full run of everything writes RESULTS.md. Exit code
 * 1 when a scenario failed; a target that is not met is a result like any other.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { choose, type Listed, listScenarios } from "./harness/catalogue.ts";
import { assertComparable, readRun, withEarlier } from "./harness/earlier-run.ts";
import { describeMachine } from "./harness/machine.ts";
import { type Run, scenarioSection } from "./harness/markdown.ts";
import { type BenchOptions, parseBenchOptions, USAGE, UsageError } from "./harness/options.ts";
import { runScenario, type ScenarioOutcome } from "./harness/run-scenario.ts";
import { startServers } from "./harness/servers.ts";
import { writeResults } from "./harness/write-results.ts";

const stopping = new AbortController();

try {
  const options = parseBenchOptions(process.argv.slice(2));
  const all = await listScenarios();
  if (options.list) for (const { name } of all) console.log(name);
  else await bench(options, all);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

async function bench(options: BenchOptions, all: readonly Listed[]): Promise<void> {
  const chosen = choose(all, options.only);
  const earlier = options.with === undefined ? null : await readRun(options.with);
  const onSignal = (): void => stopping.abort(new Error("interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  if (options.cpuProfile !== undefined) await mkdir(options.cpuProfile, { recursive: true });
  const startedAt = new Date().toISOString();
  const servers = await startServers();
  const outcomes: ScenarioOutcome[] = [];
  try {
    const machine = await describeMachine(servers);
    if (earlier !== null) assertComparable({ machine, quick: options.quick }, earlier);
    for (const [what, value] of Object.entries(machine)) console.log(`${what}: ${value}`);
    for (const listed of chosen) {
      const say = (line: string): void => console.error(`${listed.name}: ${line}`);
      const outcome = await runScenario(listed, servers, options, say, stopping.signal);
      if (stopping.signal.aborted) break;
      outcomes.push(outcome);
      console.log(`\n${scenarioSection(outcome)}\n\n(${outcome.seconds.toFixed(1)} s)`);
      if (outcome.failure !== undefined) console.error(outcome.failure);
    }
    if (stopping.signal.aborted) {
      process.exitCode = 130;
      return;
    }
    const leftOut = all.filter((listed) => !chosen.includes(listed)).map(({ name }) => name);
    const own: Run = { machine, startedAt, quick: options.quick, outcomes, leftOut };
    const run = earlier === null ? own : withEarlier(own, earlier, all);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(run, null, 2)}\n`);
    if (options.write) await writeResults(run);
    const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
    const failed = outcomes.filter(({ failure }) => failure !== undefined).map(({ name }) => name);
    console.log(`\n${outcomes.length} scenarios in ${seconds.toFixed(0)} s; failed: ${failed.join(", ") || "none"}`);
    if (failed.length > 0) process.exitCode = 1;
  } finally {
    await servers.close();
  }
}
