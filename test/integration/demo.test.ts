import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, inject, onTestFinished, test } from "vitest";
import { DRIFT_KINDS } from "../../src/index.ts";
import { postgresUrl } from "../support/services.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

test("the demo finds exactly what it injected, of every kind, repairs it and exits 0", {
  timeout: 90_000,
}, async () => {
  const child = spawn(process.execPath, ["--import", "tsx", "src/cli/main.ts", "demo"], {
    cwd: REPOSITORY,
    env: {
      ...process.env,
      MNEMOSYNC_POSTGRES_URL: postgresUrl(),
      MNEMOSYNC_REDIS_URL: inject("redisUrl"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect({ code, output }).toMatchObject({ code: 0 });
  // A vector of another model cannot be put into this index: nothing shows as foreign yet.
  for (const kind of DRIFT_KINDS.filter((name) => name !== "foreign")) {
    expect(output).toMatch(new RegExp(`^ +(postgres|redis|faiss) +${kind} +\\d`, "m"));
  }
  expect(output).toContain("The check found exactly what was injected");
});
