import { expect, test } from "vitest";
import { DeviceNotes } from "../../../src/hub/device-notes.ts";
import type { DeviceCall } from "../../../src/ledger/device-statements.ts";

/** Goal: what a device says is kept before its call is answered, with as few commits as may be. Method: a ledger that is let go by hand. */

const NEVER = new AbortController().signal;

function callOf(settledThrough: string | null, more: Partial<DeviceCall> = {}): DeviceCall {
  return { device: "a", owner: "o", name: null, epoch: "e", devicesMax: 10, settledThrough, ...more };
}

function notesOn() {
  const asked: { call: DeviceCall; end: (error?: Error) => void }[] = [];
  const notes = new DeviceNotes({
    noteDevice: (call) =>
      new Promise<void>((resolve, reject) => {
        asked.push({ call, end: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
  });
  return { notes, asked, settled: () => asked.map(({ call }) => call.settledThrough) };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

/** Whether a promise has ended, and how. */
function watched(promise: Promise<void>) {
  const state = { ended: "no" };
  promise.then(
    () => (state.ended = "well"),
    (error: Error) => (state.ended = error.message),
  );
  return state;
}

test("calls that come while a note is on its way are one note behind it, of the greatest key", async () => {
  const { notes, asked, settled } = notesOn();
  const first = watched(notes.note(callOf("k1"), NEVER));
  const later = ["k3", null, "k2"].map((key) => watched(notes.note(callOf(key), NEVER)));
  await turns();
  expect(settled()).toEqual(["k1"]);
  asked[0]?.end();
  await turns();
  expect(first.ended).toBe("well");
  // What came before is not answered by a note that had begun before it came.
  expect(later.map(({ ended }) => ended)).toEqual(["no", "no", "no"]);
  expect(settled()).toEqual(["k1", "k3"]);
  asked[1]?.end();
  await turns();
  expect(later.map(({ ended }) => ended)).toEqual(["well", "well", "well"]);
  const next = watched(notes.note(callOf("k4"), NEVER));
  asked[2]?.end();
  await turns();
  expect([next.ended, ...settled()]).toEqual(["well", "k1", "k3", "k4"]);
});

test("a note that fails fails its own callers, and those behind it have theirs", async () => {
  const { notes, asked } = notesOn();
  const first = watched(notes.note(callOf("k1"), NEVER));
  const second = watched(notes.note(callOf("k2"), NEVER));
  asked[0]?.end(new Error("lost"));
  await turns();
  asked[1]?.end();
  await turns();
  expect([first.ended, second.ended]).toEqual(["lost", "well"]);
});

test("what another key or epoch says is noted by itself; devices do not wait for each other", async () => {
  const { notes, settled } = notesOn();
  for (const call of [callOf("k1"), callOf("k2"), callOf("k3", { epoch: "f" }), callOf("k4", { owner: "p" })]) {
    void notes.note(call, NEVER);
  }
  void notes.note(callOf("k5", { device: "b" }), NEVER);
  await turns();
  expect(settled()).toEqual(["k1", "k3", "k4", "k5"]);
});

test("a caller that gives up ends no note: others wait for it", async () => {
  const { notes, asked } = notesOn();
  const giving = new AbortController();
  const first = watched(notes.note(callOf("k1"), NEVER));
  const second = watched(notes.note(callOf("k2"), giving.signal));
  const third = watched(notes.note(callOf("k1"), NEVER));
  giving.abort(new Error("gave up"));
  asked[0]?.end();
  await turns();
  asked[1]?.end();
  await turns();
  expect([first.ended, second.ended, third.ended]).toEqual(["well", "gave up", "well"]);
  expect(asked[1]?.call.settledThrough).toBe("k2");
});
