import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { openServices } from "../../src/dev/services.ts";
import { REPOSITORY } from "../support/program.ts";
import { VersionMatrix } from "./matrix.ts";
import { Program, type StoresOfRun } from "./program.ts";

/**
 * `npm run matrix:versions -- --revision cd7eee7`: builds the program at a revision of the repository's history and runs
 * it and this one in turn on the same three stores; exit code 1 when a promise was broken. `--built FOLDER` takes a build
 * that is there already. A clone without that history cannot run it: `test/integration/version-matrix.test.ts` needs none.
 */
const { values } = parseArgs({
  options: { revision: { type: "string", default: "cd7eee7" }, built: { type: "string" } },
});
const SETUP_MAX_MS = 15 * 60_000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Builds a revision in a folder. It has packages of its own: the lock file of another version names others. */
function build(revision: string, folder: string): void {
  const run = (command: string, args: string[], cwd: string, input?: Buffer): Buffer => {
    const options = { cwd, input, maxBuffer: 1 << 30, timeout: SETUP_MAX_MS };
    const { status, stdout, stderr } = spawnSync(command, args, options);
    if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${stderr}`);
    return stdout;
  };
  mkdirSync(folder);
  run("tar", ["-x"], folder, run("git", ["archive", revision], REPOSITORY));
  run(process.execPath, [join("scripts", "setup.mjs")], folder);
}

const folder = mkdtempSync(join(tmpdir(), "mnemosync-versions-"));
try {
  const older = values.built ?? join(folder, "older");
  if (values.built === undefined) {
    print(`building ${values.revision}`);
    build(values.revision, older);
  }
  const services = await openServices({ environment: {} });
  try {
    const storesOf = async (name: string): Promise<StoresOfRun> => {
      const sql = postgres(services.postgresUrl, { max: 1, onnotice: () => undefined });
      await sql.unsafe(`create database ${name}`);
      await sql.end();
      const url = new URL(services.postgresUrl);
      url.pathname = `/${name}`;
      const directory = join(folder, name);
      return { postgresUrl: url.href, redisUrl: services.redisUrl, redisPrefix: name, directory };
    };
    const before = new Program(values.built === undefined ? values.revision : "before", older);
    const after = new Program("this", REPOSITORY);
    const matrix = new VersionMatrix(before, after, ({ program, what, found, holds }) =>
      print(`${holds ? "ok    " : "BROKEN"}  ${program.padEnd(8)}  ${what}${found === "" ? "" : `: ${found}`}`),
    );
    await matrix.inTurn(await storesOf("in_turn"));
    await matrix.whileServing(await storesOf("while_serving"));
    const broken = matrix.steps.filter(({ holds }) => !holds).length;
    print(`${matrix.steps.length} steps, ${broken} broken`);
    process.exitCode = broken > 0 ? 1 : 0;
  } finally {
    await services.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
