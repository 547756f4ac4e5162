/**
 * Makes docs/picture.svg, the picture of the README: a session in a real terminal, on servers of its own, in which memories
 * are imported, damaged behind the program's back, found and repaired. Every line but the comments is what the programs
 * printed. Needs `script` (util-linux) and `redis-cli`, and dist/ of the sources as they are.
 *
 *     npm run picture
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openServices } from "../src/dev/services.ts";
import { screenSvg } from "./picture/screen-svg.ts";
import { type Span, screenOf } from "./picture/terminal-screen.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COLUMNS = 80;
const PROMPT: Span = { text: "$ ", bold: false, colour: 32 };
const PICTURE = join(ROOT, "docs", "picture.svg");

const services = await openServices({ environment: {}, log: console.error });
const folder = mkdtempSync(join(tmpdir(), "mnemosync-picture-"));
try {
  writeFileSync(PICTURE, screenSvg(session(), { columns: COLUMNS, title: "mnemosync finds drift and repairs it" }));
  console.log(PICTURE);
} finally {
  await services.close();
  rmSync(folder, { recursive: true, force: true });
}

function session(): Span[][] {
  const redis = new URL(services.redisUrl);
  shim("mnemosync", `exec '${process.execPath}' '${join(ROOT, "dist", "program", "main.js")}' "$@"`);
  shim("redis-cli", `exec "$(PATH="$OUTER_PATH" command -v redis-cli)" -p ${redis.port} "$@"`);
  const index = join(folder, "index");
  const environment = {
    ...process.env,
    OUTER_PATH: process.env.PATH,
    PATH: `${folder}:${process.env.PATH}`,
    REDISCLI_AUTH: redis.password,
    TERM: "xterm-256color",
    CI: undefined,
    NO_COLOR: undefined,
    MNEMOSYNC_POSTGRES_URL: services.postgresUrl,
    MNEMOSYNC_REDIS_URL: services.redisUrl,
    MNEMOSYNC_FAISS_DIRECTORY: index,
  };
  const run = (command: string): Span[][] => {
    const typed = `stty cols ${COLUMNS} rows 24; ${command}`;
    const output = execFileSync("script", ["-qec", typed, "/dev/null"], { cwd: ROOT, env: environment, stdio: "pipe" });
    return [[PROMPT, { text: command, bold: true, colour: null }], ...screenOf(output.toString().trimEnd())];
  };
  const rows = [
    run("mnemosync import samples/memories.jsonl"),
    [comment("# behind its back: a key is lost, another one edited, three vectors are lost")],
    run("redis-cli del mnemosync:memory:default:mem-0022"),
    run('redis-cli hset mnemosync:memory:default:mem-0042 data \'{"content":"edited"}\''),
  ];
  loseVectors(index, 3);
  // A check that finds something exits with 1: the session goes on.
  rows.push(run("mnemosync check --scope deep || true"), run("mnemosync repair --scope deep"));
  rows.push(run("mnemosync check --scope deep"));
  return rows.flatMap((part, position) => (position === 0 ? part : [[], ...part])).map(withoutStatus);
}

/** A program of that name, first in the path of the session. */
function shim(name: string, line: string): void {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${line}\n`);
  chmodSync(path, 0o755);
}

function loseVectors(directory: string, count: number): void {
  const program = join(ROOT, "test", "support", "drop-vectors.ts");
  const places = ["--postgres-url", services.postgresUrl, "--faiss-directory", directory];
  execFileSync(process.execPath, ["--import", "tsx", program, ...places, "--count", String(count)], { cwd: ROOT });
}

/** `|| true` is for `execFileSync`, not for the reader. */
function withoutStatus(row: readonly Span[]): Span[] {
  return row.map((span) => ({ ...span, text: span.text.replace(/ \|\| true$/, "") }));
}

function comment(text: string): Span[] {
  return [{ text, bold: false, colour: 36 }];
}
