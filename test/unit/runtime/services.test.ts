import { expect, test } from "vitest";
import { silentLog } from "../../../src/runtime/log.ts";
import { Loop } from "../../../src/runtime/loop.ts";
import { Lifecycle, type Service } from "../../../src/runtime/service.ts";
import { Services } from "../../../src/runtime/services.ts";

function serviceThatTells(name: string, events: string[], failure?: Error): Service {
  const lifecycle = new Lifecycle();
  return {
    name,
    start: () => {
      events.push(`start ${name}`);
      lifecycle.start(async () => undefined);
    },
    stop: async () => {
      events.push(`stop ${name}`);
      await lifecycle.stop();
      if (failure !== undefined) throw failure;
      events.push(`stopped ${name}`);
    },
    status: () => ({ state: lifecycle.state, lastError: null }),
  };
}

test("services start in order and stop in reverse, one after the other", async () => {
  const events: string[] = [];
  const services = new Services(["a", "b"].map((name) => serviceThatTells(name, events)));
  expect(services.status()).toEqual({ a: { state: "idle", lastError: null }, b: { state: "idle", lastError: null } });
  services.start();
  expect(services.status().a?.state).toBe("running");
  await services.stop();
  expect(events).toEqual(["start a", "start b", "stop b", "stopped b", "stop a", "stopped a"]);
  expect(services.status().a?.state).toBe("stopped");
});

test("a service that fails to stop is reported, and the others are stopped all the same", async () => {
  const events: string[] = [];
  const services = new Services([
    serviceThatTells("a", events),
    serviceThatTells("b", events, new Error("stuck")),
    serviceThatTells("c", events),
  ]);
  services.start();
  await expect(services.stop()).rejects.toMatchObject({ code: "INTERNAL", message: expect.stringContaining("stuck") });
  expect(events.slice(3)).toEqual(["stop c", "stopped c", "stop b", "stop a", "stopped a"]);
});

test("two services of one name are a defect", () => {
  const twice = [serviceThatTells("a", []), serviceThatTells("a", [])];
  expect(() => new Services(twice)).toThrow(/two background services are called "a"/);
});

test("a loop says why its last pass failed, until one goes well; and it ends in the midst of a wait", async () => {
  let passes = 0;
  let tellFailed: () => void = () => undefined;
  const failed = new Promise<void>((resolve) => (tellFailed = resolve));
  const loop = new Loop({
    name: "sample",
    intervalMs: 60_000,
    log: { ...silentLog, warn: () => tellFailed() },
    random: () => 0,
    pass: async () => {
      passes++;
      throw new Error("no luck");
    },
  });
  expect(loop.status()).toEqual({ state: "idle", lastError: null });
  loop.start();
  loop.start();
  await failed;
  expect(loop.status()).toEqual({ state: "running", lastError: "no luck" });
  const stopped = loop.stop();
  expect(loop.status().state).toBe("stopping");
  await stopped;
  expect(loop.status().state).toBe("stopped");
  expect(passes).toBe(1);
});

test("a loop that was woken during a pass makes another one at once, and stops during a pass by its signal", async () => {
  let passes = 0;
  let tellSecond: () => void = () => undefined;
  const second = new Promise<void>((resolve) => (tellSecond = resolve));
  const loop: Loop = new Loop({
    name: "sample",
    intervalMs: 60_000,
    log: silentLog,
    pass: async (signal) => {
      passes++;
      if (passes === 1) loop.wake();
      else {
        tellSecond();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      }
      return false;
    },
  });
  loop.start();
  await second;
  await loop.stop();
  expect(passes).toBe(2);
  expect(loop.status()).toEqual({ state: "stopped", lastError: null });
});

test("what was stopped before it began never begins", async () => {
  const lifecycle = new Lifecycle();
  await lifecycle.stop();
  let began = false;
  lifecycle.start(async () => {
    began = true;
  });
  expect({ began, state: lifecycle.state }).toEqual({ began: false, state: "stopped" });
});

test("the first pass of a loop waits where it may, and a wake or a stop ends that wait", async () => {
  const passes: string[] = [];
  const waiting = (name: string): Loop =>
    new Loop({
      name,
      intervalMs: 3_600_000,
      firstAfterMs: 3_600_000,
      log: silentLog,
      pass: async () => {
        passes.push(name);
        return false;
      },
    });
  const [woken, stopped] = [waiting("woken"), waiting("stopped")];
  woken.start();
  stopped.start();
  await new Promise((resolve) => setImmediate(resolve));
  expect(passes).toEqual([]);
  await stopped.stop();
  woken.wake();
  await expect.poll(() => passes).toEqual(["woken"]);
  await woken.stop();
});
