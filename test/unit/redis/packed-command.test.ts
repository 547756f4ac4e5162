import { expect, test } from "vitest";
import { packCommand } from "../../../src/drivers/redis/packed-command.ts";
import { WireBuffers } from "../../../src/runtime/wire-buffers.ts";

const LARGE = Buffer.alloc(100_000, "x");

test("a command stands as it goes over the wire: bytes counted, not characters", () => {
  const wire = packCommand("EVALSHA", [["é", 12], [Buffer.from([0, 255])], [""]], new WireBuffers());
  expect(wire).toEqual(
    Buffer.concat([
      Buffer.from("*5\r\n$7\r\nEVALSHA\r\n$2\r\né\r\n$2\r\n12\r\n$2\r\n"),
      Buffer.from([0, 255]),
      Buffer.from("\r\n$0\r\n\r\n"),
    ]),
  );
});

test("memory that was given back is used again, and what stood there is in no later command", () => {
  const memory = new WireBuffers();
  const first = packCommand("SET", [["a", LARGE]], memory);
  const expected = Buffer.from(first);
  memory.give(first);
  const shorter = packCommand("SET", [["b", LARGE.subarray(0, 99_000)]], memory);
  expect(shorter.buffer === first.buffer).toBe(true);
  const expectedShorter = packCommand("SET", [["b", LARGE.subarray(0, 99_000)]], new WireBuffers());
  expect(shorter.equals(expectedShorter)).toBe(true);
  memory.give(shorter);
  expect(packCommand("SET", [["a", LARGE]], memory).equals(expected)).toBe(true);
});

test("two commands at a time never share memory", () => {
  const memory = new WireBuffers();
  memory.give(packCommand("SET", [["a", LARGE]], memory));
  const [one, other] = [packCommand("SET", [["a", LARGE]], memory), packCommand("SET", [["b", LARGE]], memory)];
  expect(one.buffer === other.buffer).toBe(false);
});

test("neither many buffers are kept nor large ones nor small ones", () => {
  const memory = new WireBuffers();
  const taken = Array.from({ length: 10 }, () => memory.take(100_000));
  for (const buffer of taken) memory.give(buffer);
  const kept = new Set(taken.map(({ buffer }) => buffer));
  const again = Array.from({ length: 10 }, () => memory.take(100_000));
  expect(again.filter(({ buffer }) => kept.has(buffer))).toHaveLength(4);
  for (const bytes of [5_000_000, 1_000]) {
    const buffer = memory.take(bytes);
    memory.give(buffer);
    expect(memory.take(bytes) === buffer).toBe(false);
  }
});
