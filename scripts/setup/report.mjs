import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder with package.json. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Whether this is a clone. A published package has no sources: there, setup provides the FAISS binding alone. */
export const isClone = existsSync(join(root, "src"));

/** The command that a person has for running setup. */
export const setupCommand = isClone ? "node scripts/setup.mjs" : "npx mnemosync setup";

/** Something that only a person can put right. */
export class SetupError extends Error {
  /**
   * @param {string} message The problem: the state found and the state expected.
   * @param {string} nextCommand The one thing to do next.
   */
  constructor(message, nextCommand) {
    super(message);
    this.nextCommand = nextCommand;
  }
}

/** One line about something that is done now; a run with nothing to do prints none. */
export function say(/** @type {string} */ line) {
  console.log(`setup: ${line}`);
}

/**
 * Runs a program to its end and collects its output.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ timeoutMs: number, cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {{ ok: boolean, output: string }} `output`: its last 40 lines, for the report of a failure.
 */
export function run(file, args, { timeoutMs, cwd = root, env = process.env }) {
  const { status, signal, error, stdout, stderr } = spawnSync(file, args, {
    cwd,
    env,
    encoding: "utf8",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ending = error ? [error.message] : signal ? [`ended by ${signal}`] : [];
  const lines = [...`${stdout ?? ""}${stderr ?? ""}`.trimEnd().split("\n").slice(-40), ...ending];
  return { ok: status === 0, output: lines.join("\n") };
}

// Inside node_modules, so that it is removed together with the packages that it describes.
const stampFile = join(root, "node_modules", ".mnemosync-setup.json");

/** What was found right the last time, by step. @returns {Record<string, string>} */
export function readStamps() {
  try {
    return JSON.parse(readFileSync(stampFile, "utf8"));
  } catch {
    return {};
  }
}

export function writeStamp(/** @type {string} */ step, /** @type {string} */ value) {
  writeWhole(stampFile, `${JSON.stringify({ ...readStamps(), [step]: value }, null, 2)}\n`);
}

/** All of it or nothing, even when we are killed in between. */
function writeWhole(/** @type {string} */ file, /** @type {string} */ text) {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}
