import { afterEach, beforeEach, expect, test, vi } from "vitest";

type SharedDeadlines = typeof import("../../../src/runtime/shared-deadline.ts");

/** Timers and the clock are moved by hand; each test has the module to itself. */
let withSharedDeadline: SharedDeadlines["withSharedDeadline"];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.resetModules();
  ({ withSharedDeadline } = await import("../../../src/runtime/shared-deadline.ts"));
});

afterEach(() => {
  vi.useRealTimers();
});

/** A call that lasts until it is told to end, or its deadline fires. */
function begin(milliseconds: number, parent?: AbortSignal) {
  let end: () => void = () => undefined;
  let signal: AbortSignal | undefined;
  const done = withSharedDeadline(milliseconds, parent, (given) => {
    signal = given;
    return new Promise<void>((resolve, reject) => {
      end = resolve;
      given.addEventListener("abort", () => reject(given.reason));
    });
  });
  done.catch(() => undefined); // Until it is awaited.
  return { done, end: () => end(), signal: signal as unknown as AbortSignal };
}

test("calls that begin at about the same time share one timer", async () => {
  const first = begin(6_400);
  vi.advanceTimersByTime(100);
  const second = begin(6_400);
  expect(second.signal).toBe(first.signal);
  expect(vi.getTimerCount()).toBe(1);
  first.end();
  second.end();
  await Promise.all([first.done, second.done]);
});

test("one that begins later has a later deadline, and the earlier timer ends with its last user", async () => {
  const first = begin(6_400);
  const second = begin(6_400);
  vi.advanceTimersByTime(101);
  const later = begin(6_400);
  expect(later.signal).not.toBe(first.signal);
  expect(vi.getTimerCount()).toBe(2);
  first.end();
  await first.done;
  expect(vi.getTimerCount()).toBe(2);
  second.end();
  await second.done;
  expect(vi.getTimerCount()).toBe(1);
  later.end();
  await later.done;
});

test("a deadline that nobody uses when the next one comes leaves no timer behind", async () => {
  for (let turn = 0; turn < 50; turn++) {
    const call = begin(6_400);
    call.end();
    await call.done;
    vi.advanceTimersByTime(101);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
  }
});

test("however many lengths of time callers give, a bounded number of timers is kept", async () => {
  for (let milliseconds = 1_000; milliseconds < 1_200; milliseconds++) {
    const call = begin(milliseconds);
    call.end();
    await call.done;
  }
  expect(vi.getTimerCount()).toBe(32);
});

test("a deadline of an odd length that is still in use when it is forgotten fires all the same", async () => {
  const call = begin(5_000);
  for (let milliseconds = 1_000; milliseconds < 1_040; milliseconds++) {
    const other = begin(milliseconds);
    other.end();
    await other.done;
  }
  vi.advanceTimersByTime(5_000 + 5_000 / 64);
  await expect(call.done).rejects.toMatchObject({ name: "TimeoutError" });
});

test("fires no earlier than asked for, and a 64th later at most", async () => {
  const call = begin(6_400);
  vi.advanceTimersByTime(100);
  const joined = begin(6_400);
  vi.advanceTimersByTime(6_399);
  expect(joined.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(call.signal.aborted).toBe(true);
  await expect(joined.done).rejects.toMatchObject({ name: "TimeoutError" });
});

test("a call that somebody can end, or a short one, has a deadline of its own, which leaves no timer", async () => {
  const stopping = new AbortController();
  const own = begin(6_400, stopping.signal);
  const short = begin(499);
  expect(own.signal).not.toBe(short.signal);
  expect(vi.getTimerCount()).toBe(2);
  short.end();
  await short.done;
  stopping.abort(new Error("enough"));
  await expect(own.done).rejects.toThrow("enough");
  expect(vi.getTimerCount()).toBe(0);
});

test("a call within a shared deadline whose time is up no later goes by that one", async () => {
  const outer = begin(6_400);
  const inner = begin(10_000, outer.signal);
  expect(inner.signal).toBe(outer.signal);
  expect(vi.getTimerCount()).toBe(1);
  inner.end();
  outer.end();
  await Promise.all([inner.done, outer.done]);
});
