import { parseArgs } from "node:util";
import { useWhatIsBuilt } from "../../support/program.ts";
import { describe, runReplicaChaos } from "./replica-chaos.ts";

/** `npm run chaos:replica -- --seed 1,2 --minutes M`: one run per seed; exit code 1 when a promise was broken. See README.md. */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    quiet: { type: "boolean" },
    "until-found": { type: "boolean", default: false },
  },
});
useWhatIsBuilt();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
let broken = false;
for (const seed of values.seed.split(",").map(Number)) {
  const result = await runReplicaChaos({
    seed,
    minutes: Number(values.minutes),
    untilFound: values["until-found"],
    log: values.quiet ? () => undefined : print,
  });
  for (const line of describe(result, seed)) print(line);
  broken ||= result.violations.length > 0;
}
process.exit(broken ? 1 : 0);
