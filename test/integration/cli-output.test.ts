import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { openCommandLine, runCommand, startProgram } from "../support/command-line.ts";
import { programArguments, REPOSITORY } from "../support/program.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Goal: a result that cannot be printed is reported in one line, and nothing that is printed can steer a terminal. */

const URLS = { MNEMOSYNC_POSTGRES_URL: "postgres://127.0.0.1:1/x", MNEMOSYNC_REDIS_URL: "none" };

async function run(args: readonly string[], environment: Record<string, string> = URLS) {
  return await runCommand(args, environment);
}

/** Runs with the full device as standard output, or as standard error. */
async function runOnFullDisk(args: readonly string[], environment: Record<string, string>, stream: 1 | 2) {
  const full = openSync("/dev/full", "w");
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "pipe", "pipe"];
  stdio[stream] = full;
  const child = spawn(process.execPath, [...programArguments(), ...args], {
    cwd: REPOSITORY,
    env: { ...process.env, ...environment },
    stdio,
  });
  closeSync(full);
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  (stream === 1 ? child.stderr : child.stdout)?.on("data", (chunk) => {
    text += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, text };
}

/** Runs and closes the read end of standard output before anything is printed. */
async function runWithoutReader(args: readonly string[], environment: Record<string, string> = URLS) {
  const { child, ended } = startProgram(args, environment);
  child.stdin.end();
  child.stdout.destroy();
  return await ended;
}

test("a full disk under standard output is one line and exit code 2, not a stack trace", async () => {
  const message = "error OUTPUT: cannot write to standard output: no space left on device (ENOSPC)\n";
  for (const args of [["config", "--json"], ["--help"]]) {
    expect({ args, ...(await runOnFullDisk(args, URLS, 1)) }).toEqual({ args, code: 2, text: message });
  }
  const cli = await openCommandLine();
  expect(await cli.run(["put", "m1", "--content", "x"])).toMatchObject({ code: 0 });
  expect(await runOnFullDisk(["export"], cli.environment, 1)).toEqual({ code: 2, text: message });
});

test("a full disk under standard error changes neither the result nor the exit code", async () => {
  const { code, text } = await runOnFullDisk(["config", "--bogus"], URLS, 2);
  expect({ code, text }).toEqual({ code: 2, text: "" });
  const cli = await openCommandLine();
  const done = await runOnFullDisk(["put", "m1", "--content", "x", "--log-level", "debug"], cli.environment, 2);
  expect(done).toEqual({ code: 0, text: "default/m1: written, as version 1\n" });
});

test("a reader that is gone ends a command quietly, with the exit code of SIGPIPE", async () => {
  for (const args of [["config"], ["help", "get"]]) {
    expect({ args, ...(await runWithoutReader(args)) }).toMatchObject({ args, code: 141, stderr: "" });
  }
  const cli = await openCommandLine();
  const lines = Array.from({ length: 300 }, (_, i) =>
    JSON.stringify({ memoryId: `m${i}`, memoryType: "semantic", content: "x".repeat(5_000) }),
  );
  expect(await cli.run(["import", "-"], lines.join("\n"))).toMatchObject({ code: 0 });
  expect(await runWithoutReader(["export"], cli.environment)).toMatchObject({ code: 141, stderr: "" });
  expect(await runWithoutReader(["status", "--watch", "1"], cli.environment)).toMatchObject({ code: 141, stderr: "" });
});

test("control characters in arguments, settings and memories are escaped wherever they are shown", async () => {
  const evil = "\u001b]0;owned\u0007\u001b[31m\u009b2J\u202e";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are searched for
  const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;
  for (const args of [
    [`--${evil}`],
    [evil, "--json"],
    ["get", "m", evil],
    ["config", "--config", `/nowhere/${evil}`],
    ["config", "--node-id", evil, "--json"],
    ["check", "--scope", evil],
  ]) {
    const { code, stdout, stderr } = await run(args);
    expect({ args, code }).toEqual({ args, code: 2 });
    expect(stdout + stderr).not.toMatch(steering);
    expect(stdout + stderr).toMatch(/error/);
  }
  const cli = await openCommandLine();
  const memory = JSON.stringify({ content: `text ${evil}`, metadata: { [evil]: evil } });
  expect(await cli.run(["put", `id ${evil}`], memory)).toMatchObject({ code: 0 });
  for (const args of [
    ["get", `id ${evil}`],
    ["get", `id ${evil}`, "--json"],
    ["history", `id ${evil}`],
    ["search", "text"],
    ["delete", `id ${evil}`],
  ]) {
    const { code, stdout, stderr } = await cli.run(args);
    expect({ args, code }).toEqual({ args, code: 0 });
    expect(stdout + stderr).not.toMatch(steering);
    if (args.includes("--json")) expect(JSON.parse(stdout).content).toBe(`text ${evil}`);
  }
});

test("an unknown flag gets a suggestion only where one is near, and from the command's own flags too", async () => {
  const none = await run(["search", "x", "--memory-type", "episodic"]);
  expect(none.stderr).toBe("error USAGE: unknown option '--memory-type'; see mnemosync search --help\n");
  const own = await run(["search", "x", "--score-mim", "1"]);
  expect(own.stderr).toBe(
    "error USAGE: unknown option '--score-mim'; did you mean --score-min? See mnemosync search --help\n",
  );
  const setting = await run(["search", "x", "--postgres-ulr", "1"]);
  expect(setting.stderr).toContain("did you mean --postgres-url? See");
  const command = await run(["serach", "x"]);
  expect(command.stderr).toContain("Did you mean search?");
});

test("status says how many memories a check compared as the check did", async () => {
  const cli = await openCommandLine();
  const lines = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ memoryId: `m${i}`, memoryType: "semantic", content: `text ${i}` }),
  );
  await cli.run(["import", "-"], lines.join("\n"));
  // One differs, so that a full check compares one bucket row by row and the rest by digest.
  await cli.redis.del(`${cli.prefix}:memory:default:m1`);
  const check = await cli.json<{ checked: number }>(["check"]);
  expect(check.document.checked).toBe(40);
  const status = await cli.json<{ consistency: { checks: { scope: string; checked: number }[] } }>(["status"]);
  expect(status.document.consistency.checks).toContainEqual(expect.objectContaining({ scope: "full", checked: 40 }));
});

test("status shows the stores that answer while PostgreSQL does not", async () => {
  const cli = await openCommandLine();
  expect(await cli.run(["put", "m1", "--content", "x"])).toMatchObject({ code: 0 });
  const away = { ...cli.environment, MNEMOSYNC_POSTGRES_URL: "postgres://127.0.0.1:1/away" };
  const { code, stdout } = await run(["status", "--json"], away);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: "STORE_UNAVAILABLE" },
    stores: {
      postgres: { state: "down", memories: null },
      redis: { state: "healthy", memories: 1 },
      faiss: { state: "down", memories: null, reason: expect.stringContaining("snapshot") },
    },
  });
  const text = await run(["status"], away);
  expect(text.stdout).toMatch(/^error STORE_UNAVAILABLE: .*\n\n.*\npostgres +down +\? .*\nredis +healthy +1/);
});

test("an error has one exit code, whatever command meets it; two versions are compared by diff", async () => {
  const cli = await openCommandLine();
  await cli.run(["put", "m1", "--content", "old", "--metadata", '{"a":1}']);
  for (const args of [
    ["get", "m9"],
    ["history", "m9"],
    ["diff", "m9"],
    ["diff", "m1"],
    ["rollback", "m1", "7"],
    ["conflicts", "show", "999999"],
  ]) {
    const { code, stdout, stderr } = await cli.run(args);
    expect({ args, code, stdout, stderr }).toMatchObject({ args, code: 1, stdout: "" });
    expect(stderr).toContain("error NOT_FOUND: ");
  }
  await cli.run(["put", "m1", "--content", "new", "--metadata", '{"b":true}']);
  const diff = await cli.run(["diff", "m1"]);
  expect(diff.stdout).toContain("default/m1, version 1 to 2:");
  expect(diff.stdout).toMatch(/content +old +new/);
  expect(diff.stdout).toMatch(/metadata\.a +1 +-/);
  const same = await cli.json<{ fields: unknown[] }>(["diff", "m1", "2", "2"]);
  expect(same).toMatchObject({ code: 0, document: { fields: [], embeddingChanged: false } });
});

test("a command alone is one screen, and help settings has the rest", async () => {
  const alone = await run([]);
  expect(alone).toMatchObject({ code: 0, stderr: "" });
  expect(alone.stdout.split("\n").length).toBeLessThanOrEqual(24);
  const settings = await run(["help", "settings"]);
  expect(settings).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("--postgres-url <value>, MNEMOSYNC_POSTGRES_URL"),
  });
  expect((await run(["--help"])).stdout).not.toContain("MNEMOSYNC_POSTGRES_URL");
});
