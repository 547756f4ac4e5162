import { parseArgs } from "node:util";
import { useWhatIsBuilt } from "../support/program.ts";
import { runFaissChaos } from "./faiss-chaos.ts";

/** `npm run chaos:faiss -- --seed S --kills N --minutes M`; exit code 1 when a promise was broken, or the minutes did not suffice. */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    kills: { type: "string", default: "200" },
    minutes: { type: "string", default: "10" },
  },
});
// The host starts faster from what is built.
useWhatIsBuilt();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
let broken = false;
for (const seed of values.seed.split(",").map(Number)) {
  const result = await runFaissChaos({
    seed,
    kills: Number(values.kills),
    budgetMs: Number(values.minutes) * 60_000,
    log: print,
  });
  const { kills, restarts, publishes, searches, refusals, violations } = result;
  print(
    `seed ${seed}: ${kills} kills, ${restarts} restarts, ${publishes} publishes, ${searches} searches, ${refusals} refused`,
  );
  for (const violation of violations.slice(0, 20)) print(`  VIOLATION ${violation}`);
  print(violations.length === 0 ? "  no promise was broken" : `  ${violations.length} violations`);
  if (kills < Number(values.kills)) print(`  only ${kills} of ${values.kills} kills in ${values.minutes} minutes`);
  broken ||= violations.length > 0 || kills < Number(values.kills);
}
process.exitCode = broken ? 1 : 0;
