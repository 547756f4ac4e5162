import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { openCommandLine, startProgram } from "../support/command-line.ts";
import { programArguments } from "../support/program.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Goal: which folder an index has never depends on the current directory in silence, and trials use their own. */

/** An empty current directory. */
function emptyFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mnemosync-places-test-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A command line on stores of the test's own, without a setting for the folder of the index. */
async function openPlaces() {
  const { MNEMOSYNC_FAISS_DIRECTORY: _, ...environment } = (await openCommandLine()).environment;
  const start = (args: readonly string[], cwd: string, more: Record<string, string> = {}) =>
    startProgram(args, { ...environment, ...more }, programArguments(), cwd);
  return {
    start,
    run: async (args: readonly string[], cwd: string) => {
      const { child, ended } = start(args, cwd);
      child.stdin.end();
      return await ended;
    },
  };
}

test("dev leaves the current directory alone: its index goes with it", async () => {
  const { start } = await openPlaces();
  const cwd = emptyFolder();
  const { child, ended } = start(["dev"], cwd, { MNEMOSYNC_HTTP_PORT: "0" });
  child.stdin.end();
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await pollUntil("dev", 60_000, () => output.includes("ready"));
  const folder = /vector index: (\S+)/.exec(output)?.[1] as string;
  expect(existsSync(folder)).toBe(true);
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: 0 });
  expect(readdirSync(cwd)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});

test("a command that creates the index in the current directory says so, once, and config and status name the folder", async () => {
  const { run } = await openPlaces();
  const cwd = emptyFolder();
  const folder = join(cwd, ".mnemosync", "faiss");
  const first = await run(["put", "m1", "--content", "x"], cwd);
  expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining(`the vector index is created in ${folder}`) });
  expect(await run(["put", "m1", "--content", "y"], cwd)).toMatchObject({ code: 0, stderr: "" });
  const status = await run(["status"], cwd);
  expect(status.stdout).toContain(folder);
  const { settings } = JSON.parse((await run(["config", "--json"], cwd)).stdout) as {
    settings: { option: string; value: unknown; source: string }[];
  };
  const named = (option: string) => settings.find((setting) => setting.option === option);
  expect(named("faiss.directory")).toMatchObject({ value: folder, source: "default" });
  expect(status.stdout).toContain(named("nodeId")?.value as string);
});
