import { parseArgs } from "node:util";
import { describe, runChaos } from "./chaos.ts";

/**
 * `npm run chaos -- --seed S --minutes M [--history]`: one run per seed (comma-separated); exit code 1 when a promise was
 * broken. With `--history` the ledger and Redis go back in time too.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    quiet: { type: "boolean" },
    history: { type: "boolean", default: false },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
let broken = false;
for (const seed of values.seed.split(",").map(Number)) {
  const result = await runChaos({
    seed,
    minutes: Number(values.minutes),
    history: values.history,
    log: values.quiet ? () => undefined : print,
  });
  for (const line of describe(result, seed)) print(line);
  broken ||= result.violations.length > 0;
}
process.exitCode = broken ? 1 : 0;
