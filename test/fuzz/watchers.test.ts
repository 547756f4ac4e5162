import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { ServiceInsight } from "./inside/service-insight.ts";
import { Liveness } from "./liveness.ts";
import { unfollowed } from "./replica-followed.ts";
import { UnderWay } from "./under-way.ts";

/** Goal: the fuzzer notices that what watches the service is gone, or that the replica is not read. Method: the watchers end at the worst moment. */

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

test("a last read that does not stand on the replica is told, of a memory that is gone too", async () => {
  const endingWith = async (read: { status: number; body: object }) => {
    const told: Record<string, object> = {
      "GET /v1/replica": { phase: "following", lag: { changes: 0 }, deadLetters: { waiting: 0, dead: 0 } },
      "POST /v1/replica/verify": { clean: true },
    };
    return await unfollowed(async (method, path) => {
      const { status, body } = path.includes("/memories/") ? read : { status: 200, body: told[`${method} ${path}`] };
      return { status, type: "", body: JSON.stringify(body ?? {}), cut: false };
    }, 0);
  };
  const both = { sources: { primary: "ok", replica: "ok" } };
  const primaryAlone = { sources: { primary: "ok", replica: "unavailable" } };
  for (const status of [200, 404]) {
    expect(await endingWith({ status, body: both })).toBeNull();
    expect(await endingWith({ status, body: primaryAlone })).toContain(`last: read ${status}`);
    expect(await endingWith({ status, body: {} })).toContain(`last: read ${status}`);
  }
});
