import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { TYPESCRIPT_LOADER } from "../../support/program.ts";

/**
 * Goal: the collector of a service's log cannot stop the service. Method: a process that logs four times as much as it may keep
 * waiting, while nothing reads its standard error.
 */

test("a process whose log is not read goes on; the log tells how many events were dropped, and has the last one", {
  timeout: 300_000,
}, async (t) => {
  const script = fileURLToPath(new URL("../../support/flooded-log.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", TYPESCRIPT_LOADER, script], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  t.onTestFinished(() => void child.kill("SIGKILL"));
  expect(await once(child, "message")).toEqual(["logged", undefined]);
  let read = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    read += chunk.toString("latin1"); // The lines are ASCII.
  });
  await expect.poll(() => read, { timeout: 60_000 }).toContain("log.events_dropped"); // The reader is back.
  child.send("end");
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  const events = read
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { msg: string; number?: number; events?: number });
  const kept = events.filter(({ msg }) => msg === "flood.event").length;
  const dropped = events.filter(({ msg }) => msg === "log.events_dropped").map(({ events: count = 0 }) => count);
  expect(kept).toBeGreaterThan(500);
  expect(kept + dropped.reduce((sum, count) => sum + count, 0)).toBe(4_000);
  expect(events.some(({ msg }) => msg === "flood.last")).toBe(true);
});
