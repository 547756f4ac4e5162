import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { ContenderName } from "./contender.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** SQLite is compiled where its prebuilt binary cannot be downloaded: some two minutes on two cores. */
const COMPILE_TIMEOUT_MS = 8 * 60_000;
const PROBE_TIMEOUT_MS = 30_000;
const OUTPUT_KEPT_MAX = 20_000;

type Reasons = Map<ContenderName, string>;

/**
 * Sees to the peers' packages, which are no dependency of ours.
 * @param mayInstall false: what is missing stays missing.
 * @returns why a contender cannot be measured; those that are not named can be.
 */
export async function installPeers(mayInstall: boolean, log: (line: string) => void): Promise<Reasons> {
  const failure = await installInto(new URL(".", import.meta.url), mayInstall, log);
  if (failure !== null) return new Map((["LangChain", "LangGraph", "mem0"] as const).map((name) => [name, failure]));
  const sqlite = await installSqlite(mayInstall, log);
  return new Map(sqlite === null ? [] : [["mem0", sqlite]]);
}

/**
 * Sees to the packages that a folder of the benchmarks names, which are no dependency of ours.
 * @returns why they are not there; null: they are.
 */
export async function installInto(url: URL, mayInstall: boolean, log: (line: string) => void): Promise<string | null> {
  const folder = fileURLToPath(url);
  const command = `npm ci --prefix bench/${basename(folder)}`;
  if (isInstalled(folder)) return null;
  if (!mayInstall) return `not installed: ${command}`;
  log(`installing the peers' packages into bench/${basename(folder)} (npm ci)`);
  const { ok, output } = await npm(["ci", "--omit=dev", "--ignore-scripts"], INSTALL_TIMEOUT_MS, folder);
  return ok ? null : `could not be installed (${codeOf(output)}): ${command}`;
}

/** By npm's own record of what it installed. */
function isInstalled(folder: string): boolean {
  const record = `${folder}node_modules/.package-lock.json`;
  if (!existsSync(record)) return false;
  const wanted = packagesOf(`${folder}package-lock.json`);
  const found = packagesOf(record);
  return Object.entries(wanted).every(
    ([path, { version, dev, optional }]) => path === "" || dev || optional || found[path]?.version === version,
  );
}

function packagesOf(file: string): Record<string, { version: string; dev?: boolean; optional?: boolean }> {
  return JSON.parse(readFileSync(file, "utf8")).packages;
}

async function installSqlite(mayInstall: boolean, log: (line: string) => void): Promise<string | null> {
  if (await sqliteLoads()) return null;
  if (!mayInstall) return "its SQLite is not built: npm rebuild better-sqlite3 --ignore-scripts=false, in bench/peers";
  log("fetching or compiling the SQLite that mem0 needs (some two minutes where it is compiled)");
  const { ok, output } = await npm(["rebuild", "better-sqlite3", "--ignore-scripts=false"], COMPILE_TIMEOUT_MS);
  if (ok && (await sqliteLoads())) return null;
  return `its SQLite could not be built (${codeOf(output)}): npm rebuild better-sqlite3 --ignore-scripts=false, in bench/peers`;
}

/** In a process of its own, as a broken binding takes its whole process down. */
async function sqliteLoads(): Promise<boolean> {
  const probe = 'const Database = require("better-sqlite3"); new Database(":memory:").prepare("select 1").get();';
  return (await run(process.execPath, ["-e", probe], PROBE_TIMEOUT_MS)).ok;
}

async function npm(args: readonly string[], timeoutMs: number, folder = FOLDER): Promise<Outcome> {
  // The npm that runs us; with another package manager, or none, the one on the PATH.
  const current = process.env.npm_execpath ?? "";
  const isNpm = basename(current) === "npm-cli.js" && existsSync(current);
  const all = [...args, "--no-audit", "--no-fund", "--fetch-retries=1"];
  return isNpm
    ? await run(process.execPath, [current, ...all], timeoutMs, folder)
    : await run("npm", all, timeoutMs, folder);
}

interface Outcome {
  readonly ok: boolean;
  /** The end of it. */
  readonly output: string;
}

async function run(file: string, args: readonly string[], timeoutMs: number, folder = FOLDER): Promise<Outcome> {
  // A group of its own, so that what it started ends with it.
  const child = spawn(file, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = `${output}${text}`.slice(-OUTPUT_KEPT_MAX);
    });
  }
  const timer = setTimeout(() => {
    output += `\nended after ${timeoutMs} ms`;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, timeoutMs);
  try {
    return await new Promise<Outcome>((resolve) => {
      child.once("error", (error) => resolve({ ok: false, output: error.message }));
      child.once("close", (code) => resolve({ ok: code === 0, output }));
    });
  } finally {
    clearTimeout(timer);
  }
}

/** What npm calls it; the whole story is longer than a table's cell. */
function codeOf(output: string): string {
  const code = /npm error code (\S+)/.exec(output)?.[1];
  return code ?? output.trim().split("\n").at(-1) ?? "it says nothing";
}
