import { expect, test } from "vitest";
import { type Load, Pace } from "../../../src/consistency/check/pace.ts";

const signal = new AbortController().signal;
const IDLE: Load = { eventLoopDelayMs: 0, postgresWaiting: 0 };

/** A pace on a clock that moves by its own pauses, and what it paused. */
function pace(memoriesPerSecondMax: number | null, load: () => Load = () => IDLE) {
  const clock = { now: 0 };
  const pauses: number[] = [];
  const subject = new Pace({
    memoriesPerSecondMax,
    load,
    clock: () => clock.now,
    pause: async (milliseconds) => {
      pauses.push(milliseconds);
      clock.now += milliseconds;
    },
  });
  return { subject, pauses, clock };
}

test("without a rate, and with nothing else to do, a check never pauses", async () => {
  const { subject, pauses } = pace(null);
  for (let turn = 0; turn < 10; turn++) await subject.turn(1_000, signal);
  expect(pauses).toEqual([]);
});

test("a rate is kept over many turns, whatever the size of each", async () => {
  const { subject, clock } = pace(1_000);
  for (const memories of [500, 100, 400, 1_000]) await subject.turn(memories, signal);
  expect(clock.now).toBeCloseTo(2_000);
});

test("time that the work itself takes counts, and what was not used makes no burst later", async () => {
  const { subject, pauses, clock } = pace(1_000);
  await subject.turn(500, signal);
  clock.now += 10_000;
  await subject.turn(500, signal);
  await subject.turn(500, signal);
  expect(pauses).toEqual([500, 500, 500]);
});

test("while the event loop or Postgres is busy it pauses longer and longer, to a bound, and not once they are idle", async () => {
  let load: Load = { eventLoopDelayMs: 60, postgresWaiting: 0 };
  const { subject, pauses } = pace(null, () => load);
  for (let turn = 0; turn < 8; turn++) await subject.turn(1, signal);
  expect(pauses).toEqual([20, 40, 80, 160, 320, 640, 1_000, 1_000]);
  load = IDLE;
  await subject.turn(1, signal);
  load = { eventLoopDelayMs: 0, postgresWaiting: 3 };
  await subject.turn(1, signal);
  expect(pauses.slice(8)).toEqual([20]);
});
