import { parseArgs } from "node:util";
import { useWhatIsBuilt } from "../support/program.ts";
import { describe, runChaos } from "./chaos.ts";

/**
 * `npm run chaos -- --seed S --minutes M [--faults plain|history|all]`: one run per seed (comma-separated); exit code 1
 * when a promise was broken. `history`: the ledger and Redis go back in time too; `all`, the default: with sentinels,
 * PgBouncer, a full disk and clocks that jump. What this machine cannot do is skipped with a sentence.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    quiet: { type: "boolean" },
    faults: { type: "string", default: "all" },
  },
});
const { faults } = values;
if (faults !== "plain" && faults !== "history" && faults !== "all") {
  throw new Error(`--faults is "${faults}": expected plain, history or all`);
}
// FAISS hosts start faster from what is built.
useWhatIsBuilt();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
let broken = false;
for (const seed of values.seed.split(",").map(Number)) {
  const result = await runChaos({
    seed,
    minutes: Number(values.minutes),
    faults,
    log: values.quiet ? () => undefined : print,
  });
  for (const line of describe(result, seed)) print(line);
  broken ||= result.violations.length > 0;
}
process.exitCode = broken ? 1 : 0;
