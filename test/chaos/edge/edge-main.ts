import { parseArgs } from "node:util";
import { useWhatIsBuilt } from "../../support/program.ts";
import { Tally } from "./faults.ts";
import { memoryWorld } from "./memory/memory-world.ts";
import { edgeProgram } from "./processes/edge-program.ts";
import { openLongLivedStores } from "./processes/hub-stores.ts";
import { processWorld } from "./processes/process-world.ts";
import { type SimulationResult, simulateEdges } from "./simulation.ts";
import type { OpenSimulationWorld } from "./world.ts";

/**
 * `npm run chaos:edge -- --seeds N --seed FIRST --steps S --hub memory|service|both`; exit code 1 when a promise was broken. With
 * `both`, one seed of ten is run on processes and real stores, and the others against the hub in memory.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    steps: { type: "string" },
    hub: { type: "string", default: "both" },
  },
});

const SERVICE_EVERY = 10;
/** Runs of processes say how they go on. */
const SHOWN_FROM_SECONDS = 3;
const COUNTS = ["edits", "syncs", "late", "conflicts", "restores", "revoked", "deadLetters"] as const;

class Summary {
  runs = 0;
  broken = 0;
  readonly #counts = new Tally();
  readonly #kills = new Tally();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  add(seed: number, result: SimulationResult): void {
    this.runs += 1;
    for (const name of COUNTS) this.#counts.add(name, result[name]);
    this.#kills.addAll(result.kills);
    if (result.violations.length === 0) return;
    this.broken += 1;
    say(`seed ${seed}, ${result.edges} edges, ${this.#name}: ${result.violations.length} violations`);
    for (const violation of result.violations.slice(0, 20)) say(`  ${violation}`);
  }

  threw(seed: number, error: unknown): void {
    this.runs += 1;
    this.broken += 1;
    say(`seed ${seed}, ${this.#name}: it threw ${error instanceof Error ? error.stack : String(error)}`);
  }

  print(): void {
    if (this.runs === 0) return;
    say(`${this.#name}: ${this.runs} runs, ${this.broken} broken; ${this.#counts}, kills ${this.#kills.total}`);
    say(`  kills by step: ${this.#kills}`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function simulate(summary: Summary, seed: number, openWorld: OpenSimulationWorld): Promise<void> {
  const steps = values.steps === undefined ? {} : { steps: Number(values.steps) };
  const beganAt = performance.now();
  try {
    const result = await simulateEdges({ seed, ...steps, openWorld });
    summary.add(seed, result);
    const seconds = (performance.now() - beganAt) / 1_000;
    if (seconds < SHOWN_FROM_SECONDS) return;
    say(
      `seed ${seed}: ${result.edges} edges, ${result.edits} edits, ${result.kills.total} kills, ${seconds.toFixed(1)} s`,
    );
  } catch (error) {
    summary.threw(seed, error);
  }
}

const first = Number(values.seed);
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => first + index);
const onService = seeds.filter(
  (_seed, index) => values.hub === "service" || (values.hub === "both" && index % SERVICE_EVERY === 0),
);
const inMemory = new Summary("hub in memory");
for (const seed of seeds.filter((one) => !onService.includes(one))) await simulate(inMemory, seed, memoryWorld());
inMemory.print();

const service = new Summary("processes and real stores");
if (onService.length > 0) {
  useWhatIsBuilt();
  const [stores, program] = [await openLongLivedStores(), edgeProgram()];
  try {
    for (const seed of onService) await simulate(service, seed, processWorld(stores, program));
  } finally {
    program.close();
    await stores.close();
  }
}
service.print();
// At once: Node 20 was seen to spin for good in the end of its environment, after a run of processes.
process.exit(inMemory.broken + service.broken > 0 ? 1 : 0);
