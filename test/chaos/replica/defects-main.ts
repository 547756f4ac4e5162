import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { DIST_IS_CURRENT } from "../../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY, useWhatIsBuilt } from "../../support/program.ts";
import { DEFECTS, type Defect, putIn } from "./defects.ts";

/**
 * `npm run chaos:replica:defects -- --only NAME,NAME --seed S --minutes M`: puts one defect after the other into a copy of the sources, and
 * runs the chaos there until the oracle tells it. Exit code 1 where it did not, within these minutes and the comparison behind them.
 */
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "2" },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** What a run of the chaos needs, beside the packages. */
const FILES = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];
const COPIED = ["src", "dist", "test", "scripts", "sql", ...FILES];

/** @returns what the run told. */
async function runWith(defect: Defect): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-defect-"));
  try {
    for (const name of COPIED) cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true });
    symlinkSync(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
    putIn(folder, defect);
    const main = join("test", "chaos", "replica", "replica-main.ts");
    const options = ["--seed", values.seed, "--minutes", values.minutes, "--until-found", "--quiet"];
    const run = spawn(process.execPath, ["--import", "tsx", main, ...options], {
      cwd: folder,
      // What is built has the defect too, though its stamp says that it is of other sources.
      env: { ...process.env, [DIST_IS_CURRENT]: "yes" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    return await text(run.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (!useWhatIsBuilt()) throw new Error("dist/ is not built of src/ as it is: npm run build");
const only = values.only?.split(",");
let missed = 0;
for (const defect of only === undefined ? DEFECTS : DEFECTS.filter(({ name }) => only.includes(name))) {
  const told = await runWith(defect);
  const violations = [...told.matchAll(/^ {2}VIOLATION (.*)$/gm)].map(([, violation]) => violation as string);
  const found = violations.find((violation) => defect.noticed.test(violation));
  const foundMs = /told (\d+) ms after the first write/.exec(told)?.[1];
  if (found === undefined) missed++;
  print(
    found === undefined
      ? `${defect.name}: NOT FOUND\n${told}`
      : `${defect.name}: after ${Math.round(Number(foundMs) / 1_000)} s: ${found.slice(0, 200)}`,
  );
}
process.exit(missed > 0 ? 1 : 0);
