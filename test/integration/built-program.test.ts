import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import * as errors from "../../src/domain/errors.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import { DIST_IS_CURRENT, hostProgram, rebuildProgram } from "../../src/stores/faiss/client/host-programs.ts";
import { REPOSITORY } from "../support/program.ts";
import { MemorySource } from "../unit/faiss/support.ts";

const PROGRAM = join(REPOSITORY, "dist", "program");
const PARTS = join(PROGRAM, "parts");
/** Without it there is nothing that these tests could be about; `npm test` builds first. */
const isBuilt = process.env[DIST_IS_CURRENT] === "yes";

/** Opens an index of its own and tells which file its host process runs. */
async function hostFile(Projection: typeof FaissProjection): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-program-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const source = new MemorySource();
  const index = await Projection.open({ directory, dimension: 4 }, { source }, AbortSignal.timeout(100_000));
  onTestFinished(() => index.close());
  const commandLine = await readFile(`/proc/${index.hostPid}/cmdline`, "utf8");
  return commandLine.split("\0").find((argument) => /host[^/]*(\/main)?\.[jt]s$/.test(argument));
}

async function partFiles(): Promise<{ path: string; text: string }[]> {
  const paths = [
    ...(await readdir(PROGRAM)).filter((name) => name.endsWith(".js")).map((name) => join(PROGRAM, name)),
    ...(await readdir(PARTS)).map((name) => join(PARTS, name)),
  ];
  return await Promise.all(paths.map(async (path) => ({ path, text: await readFile(path, "utf8") })));
}

test("without word that dist/ is current, sources run the host's sources", async () => {
  for (const environment of [{}, { [DIST_IS_CURRENT]: "" }, { [DIST_IS_CURRENT]: "no" }]) {
    expect(hostProgram(environment).path).toBe(join(REPOSITORY, "src/stores/faiss/host/main.ts"));
    expect(rebuildProgram(environment).path).toBe(join(REPOSITORY, "src/stores/faiss/host/rebuild-worker.ts"));
  }
  vi.stubEnv(DIST_IS_CURRENT, "");
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await hostFile(FaissProjection)).toBe(join(REPOSITORY, "src/stores/faiss/host/main.ts"));
});

test.skipIf(!isBuilt)("in a test run of what is built, sources run the bundled host", async () => {
  expect(rebuildProgram().path).toBe(join(PROGRAM, "faiss-rebuild-worker.js"));
  expect(await hostFile(FaissProjection)).toBe(join(PROGRAM, "faiss-host.js"));
});

test.skipIf(!isBuilt)("the built library runs the bundled host", async () => {
  const url = pathToFileURL(join(REPOSITORY, "dist", "stores", "faiss", "client", "faiss-projection.js")).href;
  const built = (await import(url)) as { FaissProjection: typeof FaissProjection };
  vi.stubEnv(DIST_IS_CURRENT, "");
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await hostFile(built.FaissProjection)).toBe(join(PROGRAM, "faiss-host.js"));
});

test.skipIf(!isBuilt)("errors keep their names in the program", async () => {
  // The part that declares the root: another part may declare a class of its own below it.
  const holder = (await partFiles()).find(({ text }) => /class MnemosyncError\b|\bMnemosyncError = class\b/.test(text));
  expect(holder).toBeDefined();
  const bundled = (await import(pathToFileURL(holder?.path ?? "").href)) as Record<string, unknown>;
  const names = Object.entries(errors)
    .filter(([, value]) => typeof value === "function" && value.prototype instanceof errors.MnemosyncError)
    .map(([name]) => name);
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) expect((bundled[name] as { name: string } | undefined)?.name).toBe(name);
});

test.skipIf(!isBuilt)("a line of progress, which is loaded for a terminal only, works in the program", async () => {
  const part = (await readdir(PARTS)).find((name) => name.startsWith("progress-line-"));
  const { lineOf } = (await import(
    pathToFileURL(join(PARTS, part ?? "")).href
  )) as typeof import("../../src/cli/progress-line.ts");
  const line = lineOf("{value} of {total}");
  line.setTotal(10);
  expect(line.getTotal()).toBe(10);
});

test.skipIf(!isBuilt)("the licence of every package that is part of the program is beside it", async () => {
  const licenses = await readFile(join(PROGRAM, "THIRD-PARTY-LICENSES"), "utf8");
  const texts = (await partFiles()).map(({ text }) => text).join("\n");
  // The bundler says above each module's code which file it was.
  const packages = new Set(
    [...texts.matchAll(/^\s*\/\/ node_modules\/((?:@[^/]+\/)?[^/\s]+)\//gm)].map(([, name]) => name),
  );
  expect(packages.size).toBeGreaterThan(40);
  for (const name of packages) expect(licenses).toMatch(new RegExp(`^={100}\n${name} \\d[^:]*: \\S+`, "m"));
});

test.skipIf(!isBuilt)("the program holds no path of the machine that built it", async () => {
  for (const { path, text } of await partFiles()) expect(text.includes(REPOSITORY), path).toBe(false);
});

test.skipIf(!isBuilt)("the program runs from any folder as a file of its own, and says its version", async () => {
  const { version } = JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")) as { version: string };
  const child = spawn(join(PROGRAM, "main.js"), ["--version"], { cwd: tmpdir(), stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = await once(child, "close");
  expect({ code, said }).toEqual({ code: 0, said: `${version}\n` });
});
