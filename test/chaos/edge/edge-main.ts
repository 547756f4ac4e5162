import { parseArgs } from "node:util";
import { memoryHubUnderTest } from "./memory-hub-under-test.ts";
import { simulateEdges } from "./simulation.ts";

/** `npm run chaos:edge -- --seeds N --seed FIRST --steps S`; exit code 1 when a promise was broken. */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "150" },
  },
});
const first = Number(values.seed);
const total = { runs: 0, broken: 0, edits: 0, syncs: 0, kills: 0, late: 0, conflicts: 0, restores: 0 };
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const result = await simulateEdges({ seed, steps: Number(values.steps), openHub: memoryHubUnderTest });
  total.runs += 1;
  for (const name of ["edits", "syncs", "kills", "late", "conflicts", "restores"] as const) total[name] += result[name];
  if (result.violations.length === 0) continue;
  total.broken += 1;
  process.stdout.write(`seed ${seed}, ${result.edges} edges: ${result.violations.length} violations\n`);
  for (const violation of result.violations.slice(0, 20)) process.stdout.write(`  ${violation}\n`);
}
const { runs, broken, edits, syncs, kills, late, conflicts, restores } = total;
process.stdout.write(
  `${runs} runs, ${broken} broken: ${edits} edits, ${syncs} syncs, ${kills} kills, ${late} late requests, ` +
    `${conflicts} conflicts, ${restores} restores\n`,
);
process.exitCode = broken > 0 ? 1 : 0;
