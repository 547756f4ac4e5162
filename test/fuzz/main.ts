import { parseArgs } from "node:util";
import { openServices } from "../../src/dev/services.ts";
import { useWhatIsBuilt } from "../support/program.ts";
import { runFuzz } from "./fuzz.ts";
import { describe } from "./report.ts";

/**
 * `npm run fuzz -- --seed S --requests N [--minutes M]`: one run per seed (comma-separated), each until it has sent so many
 * requests, or so many minutes are over; exit code 1 when a promise was broken, or the minutes did not suffice.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    requests: { type: "string", default: "1000000" },
    // Only against a run that never ends: a million requests take an hour or two.
    minutes: { type: "string", default: "600" },
    json: { type: "boolean" },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const log = (line: string): void => void process.stderr.write(`${line}\n`);
useWhatIsBuilt();
const services = await openServices({ log });
let broken = false;
try {
  for (const seed of values.seed.split(",").map(Number)) {
    const { postgresUrl, redisUrl } = services;
    const [requests, minutes] = [Number(values.requests), Number(values.minutes)];
    const report = await runFuzz({ seed, requests, minutes, stores: { postgresUrl, redisUrl }, log });
    if (values.json) print(JSON.stringify(report));
    else for (const line of describe(report)) print(line);
    if (report.requests < requests) log(`only ${report.requests} of ${requests} requests in ${minutes} minutes`);
    broken ||= report.violationsTotal > 0 || report.requests < requests;
  }
} finally {
  await services.close();
}
process.exitCode = broken ? 1 : 0;
