import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { useWhatIsBuilt } from "../support/program.ts";
import { soakChecks } from "./check-soak.ts";

/** `npm run soak:check -- --seed S --minutes M`: exit code 1 when a check cried wolf, or missed something. */
const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, minutes: { type: "string", default: "5" } },
});
// The host starts faster from what is built.
useWhatIsBuilt();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const postgres = await startEmbeddedPostgres();
try {
  const seed = Number(values.seed);
  const result = await soakChecks({
    seed,
    seconds: Number(values.minutes) * 60,
    postgresUrl: postgres.url,
    log: print,
  });
  const { writes, checks, backlogMax, injected, falseFindings, missed } = result;
  print(`seed ${seed}: ${checks} checks beside ${writes} writes, up to ${backlogMax} pending`);
  print(`${injected} memories drifted on purpose, ${missed.length} missed, ${falseFindings.length} false findings`);
  for (const line of [...falseFindings, ...missed].slice(0, 20)) print(line);
  process.exitCode = falseFindings.length + missed.length > 0 ? 1 : 0;
} finally {
  await postgres.close();
}
