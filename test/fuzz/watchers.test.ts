import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { ServiceInsight } from "./inside/service-insight.ts";
import { Liveness } from "./liveness.ts";
import { UnderWay } from "./under-way.ts";

/** Goal: the fuzzer notices that what watches the service is gone. Method: the watchers end at the worst moment. */

const loop = { kind: "loop", longestHoldMs: 0, longestCollectionMs: 0, collectionKind: "" } as const;
const insight = { loop: async () => loop } as unknown as ServiceInsight;

test("a probe that ends by itself is told, and nothing waits for its next look", async () => {
  const failures: string[] = [];
  const liveness = new Liveness("http://127.0.0.1:9", insight, new UnderWay(), (what) => failures.push(what));
  onTestFinished(() => liveness.close());
  const worked = await liveness.unobserved(async () => {
    process.kill(liveness.probePid as number, "SIGKILL");
    return "done";
  });
  expect(worked).toBe("done");
  expect(failures).toEqual(["the probe of /healthz ended by itself: SIGKILL"]);
});

test("a probe that the run ends is no failure", async () => {
  const failures: string[] = [];
  const liveness = new Liveness("http://127.0.0.1:9", insight, new UnderWay(), (what) => failures.push(what));
  await liveness.close();
  expect(failures).toEqual([]);
});

test("a service that ends when it is asked fails the question, and those behind it", async () => {
  const ending = "process.once('message', () => process.exit(3))";
  const child = spawn(process.execPath, ["-e", ending], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const asked = new ServiceInsight(child);
  const answers = await Promise.allSettled([asked.memory(), asked.loop()]);
  for (const answer of answers) {
    expect(answer).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringContaining("the service was gone") },
    });
  }
});
