import { expect, test } from "vitest";
import { pollUntil } from "../../../src/dev/wait.ts";
import { Listeners, WAITING_MAX } from "../../../src/runtime/listeners.ts";
import { recordingLog } from "../faiss/support.ts";

/** Goal: no listener, whatever it does, reaches the code that emits, or another listener. */

interface Events {
  ring: number;
  other: string;
}

function listeners() {
  const log = recordingLog();
  return { log, subject: new Listeners<Events>(log) };
}

test("events come in order, to each listener, and not on the stack of the code that emits them", async () => {
  const { subject } = listeners();
  const heard: string[] = [];
  subject.on("ring", (number) => void heard.push(`a${number}`));
  subject.on("ring", (number) => void heard.push(`b${number}`));
  for (const number of [1, 2, 3]) subject.emit("ring", number);
  subject.emit("other", "x");
  expect(heard).toEqual([]);
  await pollUntil("all of them", 20_000, () => heard.length === 6);
  expect(heard.filter((line) => line.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
  expect(heard.filter((line) => line.startsWith("b"))).toEqual(["b1", "b2", "b3"]);
});

test("one that throws or rejects is logged, and gets the next event", async () => {
  const { subject, log } = listeners();
  const heard: number[] = [];
  subject.on("ring", (number) => {
    heard.push(number);
    if (number === 1) throw new Error("thrown");
    return number === 2 ? Promise.reject(new Error("rejected")) : undefined;
  });
  subject.on("ring", () => {
    throw null;
  });
  for (const number of [1, 2, 3]) subject.emit("ring", number);
  await pollUntil("all of them", 20_000, () => heard.length === 3 && log.events.length === 5);
  expect(log.events.filter(({ event }) => event === "listener.failed").map(({ fields }) => fields)).toEqual(
    expect.arrayContaining([
      { name: "ring", error: "thrown" },
      { name: "ring", error: "rejected" },
      { name: "ring", error: "null" },
    ]),
  );
});

test("one that never ends holds up no other, and what waits for it is bounded: the oldest are left out, and it is told", async () => {
  const { subject, log } = listeners();
  const slow: number[] = [];
  const quick: number[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  subject.on("ring", (number) => {
    slow.push(number);
    return slow.length === 1 ? held : undefined;
  });
  subject.on("ring", (number) => void quick.push(number));
  subject.emit("ring", 0);
  await pollUntil("the slow one being called", 20_000, () => slow.length === 1);
  for (let number = 1; number <= WAITING_MAX + 5; number++) {
    subject.emit("ring", number);
    if (number % 100 === 0) await new Promise(setImmediate);
  }
  await pollUntil("the quick one having all", 30_000, () => quick.length === WAITING_MAX + 6);
  expect(slow).toEqual([0]);
  release();
  await pollUntil("the slow one having the rest", 30_000, () => slow.length === WAITING_MAX + 1);
  expect(slow[1]).toBe(6);
  expect(log.events).toEqual([{ level: "warn", event: "listener.fell_behind", fields: { name: "ring", events: 5 } }]);
});

test("after its end, and after close, a listener is not called, though events wait", async () => {
  const { subject } = listeners();
  const heard: string[] = [];
  const end = subject.on("ring", () => void heard.push("ended"));
  subject.on("ring", () => void heard.push("closed"));
  subject.emit("ring", 1);
  end();
  end();
  subject.close();
  subject.emit("ring", 2);
  await new Promise(setImmediate);
  expect(heard).toEqual([]);
});
