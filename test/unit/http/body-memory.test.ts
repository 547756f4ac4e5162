import { expect, test } from "vitest";
import { BodyMemory } from "../../../src/http/body-memory.ts";
import { HttpProblem } from "../../../src/http/problem.ts";

const KIB = 1_024;
/** Beyond the part of each body that counts for nothing. */
const FREE = 64 * KIB;

test("bodies of all keys share the room, and a body that finds none is refused as one to send again", () => {
  const memory = new BodyMemory(100 * KIB);
  const first = memory.place("a");
  const second = memory.place("b");
  first.add(FREE + 50 * KIB);
  second.add(FREE + 40 * KIB);
  expect(memory.bytes).toBe(90 * KIB);
  const third = memory.place("c");
  third.add(FREE);
  const refused = (() => {
    try {
      third.add(11 * KIB);
      return null;
    } catch (error) {
      return error as HttpProblem;
    }
  })();
  expect(refused).toBeInstanceOf(HttpProblem);
  expect(refused).toMatchObject({ status: 503, code: "QUEUE_FULL", retryable: true });
  first.release();
  memory.place("c").add(FREE + 11 * KIB);
  expect(memory.bytes).toBe(51 * KIB);
});

test("one key has half of the room at most", () => {
  const memory = new BodyMemory(100 * KIB);
  memory.place("a").add(FREE + 30 * KIB);
  const second = memory.place("a");
  expect(() => second.add(FREE + 21 * KIB)).toThrow(/large bodies/);
  memory.place("b").add(FREE + 50 * KIB);
});

test("small bodies take no room, and a release happens once", () => {
  const memory = new BodyMemory(100 * KIB);
  for (let number = 0; number < 1_000; number++) memory.place("a").add(FREE);
  expect(memory.bytes).toBe(0);
  const place = memory.place("a");
  place.add(FREE + 10);
  place.add(10);
  place.release();
  place.release();
  place.add(KIB * KIB);
  expect(memory.bytes).toBe(0);
});
