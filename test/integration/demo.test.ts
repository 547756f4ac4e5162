import { spawn } from "node:child_process";
import { expect, inject, onTestFinished, test } from "vitest";
import { DRIFT_KINDS } from "../../src/index.ts";
import { programArguments, REPOSITORY } from "../support/program.ts";
import { postgresUrl } from "../support/services.ts";

function startDemo(...flags: string[]) {
  const child = spawn(process.execPath, [...programArguments(), "demo", ...flags], {
    cwd: REPOSITORY,
    env: {
      ...process.env,
      MNEMOSYNC_POSTGRES_URL: postgresUrl(),
      MNEMOSYNC_REDIS_URL: inject("redisUrl"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const told = { output: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      told.output += chunk;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, told, ended };
}

test("the demo finds exactly what it injected, of every kind, repairs it and exits 0", {
  timeout: 240_000,
}, async () => {
  const { told, ended } = startDemo();
  const code = await ended;
  const { output } = told;
  expect({ code, output }).toMatchObject({ code: 0 });
  // A vector of another model cannot be put into this index: nothing shows as foreign yet.
  for (const kind of DRIFT_KINDS.filter((name) => name !== "foreign")) {
    expect(output).toMatch(new RegExp(`^ +(postgres|redis|faiss) +${kind} +\\d`, "m"));
  }
  expect(output).toContain("The check found exactly what was injected");
});

test("with --console it leaves the console on its data, with work for a person, until Ctrl-C", {
  timeout: 240_000,
}, async () => {
  const { child, told, ended } = startDemo("--console", "--http-port", "0");
  await Promise.race([ended, expect.poll(() => told.output, { timeout: 200_000 }).toContain("Ctrl-C stops it")]);
  const address = /open +(http:\S+)/.exec(told.output)?.[1] ?? "";
  const key = /key +(mns_\S+)/.exec(told.output)?.[1] ?? "";
  expect(told.output).toContain("The check found exactly what was injected");
  const page = await fetch(address);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  const headers = { authorization: `Bearer ${key}` };
  const conflicts = await (await fetch(new URL("../v1/conflicts", address), { headers })).json();
  expect(conflicts).toMatchObject({ conflicts: [{ state: "pending" }, { state: "pending" }, { state: "pending" }] });
  child.kill("SIGINT");
  expect(await ended).toBe(0);
  expect(told.output).toContain("servers, database, keys and folders are gone");
});
