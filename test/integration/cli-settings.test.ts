import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { expect, onTestFinished, test } from "vitest";
import { COMMANDS } from "../../src/cli/commands.ts";
import { connectOptions, gatherSettings, settingsHelp } from "../../src/cli/options.ts";
import { optionLeaves } from "../../src/config/parse.ts";
import { runCommand } from "../support/command-line.ts";

function settingsFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-settings-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "settings.json");
  writeFileSync(path, text);
  return path;
}

test("flags win over the environment, which wins over the file, which wins over the defaults", async () => {
  const config = settingsFile(
    JSON.stringify({ redisUrl: "redis://file", redisPrefix: "file", nodeId: "file", faiss: { metric: "l2" } }),
  );
  const environment = { MNEMOSYNC_REDIS_PREFIX: "environment", MNEMOSYNC_NODE_ID: "environment", OTHER: "x" };
  const settings = await gatherSettings({ config, nodeId: "flag", faissDimension: "12" }, environment);
  expect(settings).toEqual({
    redisUrl: "redis://file",
    redisPrefix: "environment",
    nodeId: "flag",
    faiss: { metric: "l2", dimension: 12, directory: resolve(".mnemosync", "faiss") },
    embedding: { provider: "hashing" },
  });
});

test("a settings file that is no JSON object is refused by its name", async () => {
  for (const text of ["{", "[]", '"redis://"']) {
    const config = settingsFile(text);
    await expect(gatherSettings({ config }, {})).rejects.toThrow(config);
  }
});

test("a tag that YAML does not know is refused by its name, not ignored", async () => {
  for (const text of ["redisUrl: !secret redis://h", "batchSize: !env 5", "faiss: !index { directory: /d }"]) {
    const tag = /!\w+/.exec(text)?.[0] as string;
    await expect(gatherSettings({ config: settingsFile(text) }, {})).rejects.toThrow(`Unresolved tag: ${tag}`);
  }
});

test("missing addresses are named with every way to give them", () => {
  expect(() => connectOptions({ redisUrl: "redis://here" })).toThrow(/MNEMOSYNC_POSTGRES_URL.*--postgres-url/);
  expect(() => connectOptions({ redisUrl: "redis://here" })).not.toThrow(/MNEMOSYNC_REDIS_URL/);
});

test("the help of a command has its own flags, in either way to ask for it", async () => {
  for (const args of [
    ["get", "--help"],
    ["help", "get"],
  ]) {
    const { code, stdout } = await runCommand(args);
    expect({ args, code }).toEqual({ args, code: 0 });
    expect(stdout).toContain("get [options] <id...>");
    expect(stdout).toContain("--namespace <name>");
    expect(stdout).toContain("--embedding");
  }
});

test("every command that the help lists can be loaded, and its flags do not collide", async () => {
  for (const { name, load } of COMMANDS) {
    const command = await load();
    const parsed = new Command(name);
    command.configure?.(parsed);
    expect({ name, runs: typeof command.run }).toEqual({ name, runs: "function" });
  }
});

test("the help names flag and environment variable of every setting", () => {
  const help = settingsHelp();
  for (const { flag, environmentName } of optionLeaves()) expect(help).toContain(`${flag} <value>, ${environmentName}`);
});
