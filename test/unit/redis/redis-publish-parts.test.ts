import { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { encodeMemory, type PutChange, putChange } from "../../../src/domain/memory.ts";
import type { PackedCommand } from "../../../src/drivers/redis/packed-command.ts";
import { ownTurn } from "../../../src/runtime/turns.ts";
import { RedisProjection } from "../../../src/stores/redis/redis-projection.ts";

/**
 * Goal: a publish of megabytes goes to Redis in several calls, without waiting for their answers, and its answer is theirs in order.
 * Method: a client that notes the commands, and answers them when the test says so.
 */

const document = { content: "a", memoryType: "t", importance: 0.5, metadata: {}, privacy: "full" } as const;

function changeOf(number: number): PutChange {
  const key = { namespace: "default", memoryId: `m${number}` };
  const memory = encodeMemory(key, document, new Float32Array(2_048).fill(number + 1));
  return putChange(memory, 1, { versionVector: { n: 1 }, modifiedAt: 0 });
}

function notingRedis() {
  const commands: PackedCommand[] = [];
  const client = Object.assign(new EventEmitter(), {
    isCluster: false,
    status: "ready",
    sendCommand: (command: PackedCommand) => void commands.push(command),
  });
  const store = new RedisProjection(client as unknown as Redis, { prefix: "p", nodeId: "n", storeEmbedding: true });
  return { store, commands };
}

/** Memories that a command publishes, in order. */
const idsOf = (command: PackedCommand): string[] =>
  [
    ...command
      .toWritable()
      .toString("latin1")
      .matchAll(/p:memory:default:(m[0-9]+)/g),
  ].map(([, id]) => id as string);

const NO_END = new AbortController().signal;
const CHANGES = Array.from({ length: 300 }, (_, at) => changeOf(at));

async function untilAllSent(commands: readonly PackedCommand[]): Promise<void> {
  while (commands.flatMap(idsOf).length < CHANGES.length) await ownTurn();
}

test("a large publish goes in parts, one in a turn of the event loop, and is answered in order", async () => {
  const { store, commands } = notingRedis();
  const published = store.publish(CHANGES, NO_END);
  await Promise.resolve();
  expect(commands.length).toBeLessThanOrEqual(1);
  await untilAllSent(commands);
  expect(commands.length).toBeGreaterThan(2);
  expect(commands.flatMap(idsOf)).toEqual(CHANGES.map(({ memoryId }) => memoryId));
  // The last part is answered first, and the third memory of each part is there already.
  for (const command of commands.toReversed()) command.resolve(idsOf(command).map((_, at) => (at === 2 ? 0 : 1)));
  const expected = commands.flatMap((command) => idsOf(command).map((_, at) => (at === 2 ? "stale" : "applied")));
  expect(await published).toEqual(expected);
});

test("a publish one part of which fails has failed once all parts have ended", async () => {
  const { store, commands } = notingRedis();
  let isSettled = false;
  const settled = store
    .publish(CHANGES, NO_END)
    .catch((reason: unknown) => reason)
    .finally(() => (isSettled = true));
  await untilAllSent(commands);
  const [first, ...others] = commands;
  first?.reject(new Error("OOM command not allowed when used memory > 'maxmemory'."));
  for (let turn = 0; turn < 3; turn++) await ownTurn();
  expect(isSettled).toBe(false);
  for (const command of others) command.resolve(idsOf(command).map(() => 1));
  expect(await settled).toMatchObject({ code: "STORE_REFUSED", store: "redis" });
});

test("a small publish is one call, in the turn in which it was asked for", async () => {
  const { store, commands } = notingRedis();
  const published = store.publish(CHANGES.slice(0, 31), NO_END);
  expect(commands).toHaveLength(1);
  commands[0]?.resolve(CHANGES.slice(0, 31).map(() => 1));
  expect(await published).toHaveLength(31);
});
