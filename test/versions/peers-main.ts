import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { REPOSITORY } from "../support/program.ts";

/**
 * `npm run matrix:peers [-- --end oldest|newest] [--keep] [TEST …]`: the doors for agents with the oldest and with the newest versions of their peers
 * that `package.json` allows. Of each end: the versions are installed beside a copy of the repository, which has all other packages as
 * they are, the doors are type-checked, and their tests run; exit code 1 when anything fails. Takes packages from npm's registry.
 */
const { values, positionals } = parseArgs({
  options: { end: { type: "string" }, keep: { type: "boolean", default: false } },
  allowPositionals: true,
});

const PEERS = ["@langchain/core", "@langchain/langgraph-checkpoint", "@modelcontextprotocol/sdk"];
const TESTS = ["test/integration/adapters", "test/unit/adapters", "test/integration/mcp/tools", "test/unit/mcp"];
const CHECKED = [
  ...["src/adapters", "src/mcp", "test/integration/adapters", "test/unit/adapters", "test/support/mcp-clients.ts"],
  "test/support/global-setup.ts", // It declares what tests are given.
];
const ENDS = ["oldest", "newest"] as const;
type End = (typeof ENDS)[number];

const STEP_MAX_MS = 10 * 60_000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface Manifest {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** What npm is asked to install. Only ranges of the form ^1.2.3 have an end that can be named. */
function specOf(name: string, end: End): string {
  const range = manifestOf(REPOSITORY).peerDependencies[name];
  if (range === undefined || !/^\^\d+\.\d+\.\d+$/.test(range)) {
    throw new Error(`package.json has ${name} as a peer at ${range}: expected a range of the form ^1.2.3`);
  }
  return `${name}@${end === "oldest" ? range.slice(1) : range}`;
}

function run(program: string, args: readonly string[], cwd: string): { ok: boolean; output: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...{ cwd, encoding: "utf8", timeout: STEP_MAX_MS, maxBuffer: 1 << 28 },
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { ok: status === 0, output: `${stdout}${stderr}${error?.message ?? ""}` };
}

/** As a stranger's project has them, with what they need. @returns the version of each. */
function install(folder: string, end: End): Map<string, string> {
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "peers", private: true }));
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"];
  const { ok, output } = run("npm", ["install", ...flags, ...PEERS.map((name) => specOf(name, end))], folder);
  if (!ok) throw new Error(`the ${end} peers cannot be installed together:\n${output}`);
  return new Map(PEERS.map((name) => [name, manifestOf(join(folder, "node_modules", name)).version]));
}

/** A copy of what git knows or would add, whose peers are those of `peers`, and whose other packages are the repository's. */
function copyTo(folder: string, peers: string): void {
  const listed = run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], REPOSITORY);
  if (!listed.ok) throw new Error(listed.output);
  for (const path of listed.output.split("\0").filter((name) => name !== "")) {
    if (!existsSync(join(REPOSITORY, path))) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(REPOSITORY, path), join(folder, path));
  }
  const packages = join(REPOSITORY, "node_modules");
  for (const entry of readdirSync(packages)) {
    const names = entry.startsWith("@")
      ? readdirSync(join(packages, entry)).map((name) => `${entry}/${name}`)
      : [entry];
    for (const name of names) {
      const link = join(folder, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(PEERS.includes(name) ? join(peers, "node_modules") : packages, name), link);
    }
  }
}

function types(folder: string): boolean {
  const tsconfig = { extends: "./tsconfig.json", include: CHECKED, exclude: [] };
  writeFileSync(join(folder, "tsconfig.peers.json"), JSON.stringify(tsconfig));
  const { ok, output } = run(join(folder, "node_modules/.bin/tsc"), ["-p", "tsconfig.peers.json"], folder);
  print(ok ? "ok      the types of the doors fit" : `BROKEN  the types of the doors do not fit:\n${output}`);
  return ok;
}

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numTotalTests: number;
}

function tests(folder: string): boolean {
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const vitest = [join(folder, "node_modules/vitest/vitest.mjs"), "run", "--project", "daily", ...reporters];
  const { ok, output } = run(process.execPath, [...vitest, ...(positionals.length > 0 ? positionals : TESTS)], folder);
  if (!existsSync(report)) throw new Error(`the tests did not run:\n${output}`);
  const { success, numPassedTests, numTotalTests } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const holds = ok && success && numPassedTests > 0;
  print(`${holds ? "ok    " : "BROKEN"}  ${numPassedTests} of ${numTotalTests} tests passed`);
  if (!holds) print(output);
  return holds;
}

const ends = ENDS.filter((end) => values.end === undefined || values.end === end);
if (ends.length === 0) throw new Error(`there is no end ${values.end}: expected ${ENDS.join(" or ")}`);
const folder = mkdtempSync(join(tmpdir(), "mnemosync-peers-"));
let isBroken = false;
try {
  for (const end of ends) {
    const [peers, copy] = [join(folder, `${end}-peers`), join(folder, end)];
    const versions = install(peers, end);
    print(`${end}: ${[...versions].map(([name, version]) => `${name} ${version}`).join(", ")}`);
    copyTo(copy, peers);
    const held = [types(copy), tests(copy)];
    isBroken ||= held.includes(false);
  }
} finally {
  if (values.keep) print(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
process.exitCode = isBroken ? 1 : 0;
