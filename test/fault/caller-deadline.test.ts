import { randomBytes } from "node:crypto";
import { expect, test, vi } from "vitest";
import { MemorySynchronizer, type MnemosyncError } from "../../src/index.ts";
import { FaultServers } from "../support/fault-servers.ts";
import { createTestDatabase } from "../support/template-database.ts";

/**
 * Goal: a caller whose deadlines are too short hurts nobody else. Method: a Redis 40 ms away, reads that wait for 3 ms at
 * most, and writes beside them, which must all reach Redis.
 */

vi.setConfig({ testTimeout: 240_000 });

const MEMORY = { content: "a memory", memoryType: "episodic" };

test("reads with short deadlines cut no link that others use, and are told the deadline that was in force", async ({
  onTestFinished,
}) => {
  const servers = await FaultServers.start();
  onTestFinished(() => servers.close());
  const database = await createTestDatabase(servers.postgres.url);
  const sync = await MemorySynchronizer.connect({
    postgresUrl: database.url,
    redisUrl: servers.redisProxy.through(servers.redis.url),
    redisPrefix: `deadline-${randomBytes(4).toString("hex")}`,
  });
  onTestFinished(async () => {
    await sync.close();
    await database.drop();
  });
  await sync.syncMemory("read", MEMORY);
  servers.redisProxy.slow(40);

  const errors: MnemosyncError[] = [];
  let writing = true;
  const impatient = async (options: () => { timeoutMs?: number; signal?: AbortSignal }): Promise<void> => {
    while (writing) {
      await sync.get("read", options()).catch((error: MnemosyncError) => errors.push(error));
    }
  };
  const reads = [
    ...Array.from({ length: 4 }, () => impatient(() => ({ timeoutMs: 3 }))),
    ...Array.from({ length: 4 }, () => impatient(() => ({ signal: AbortSignal.timeout(3) }))),
  ];
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, (_, index) => sync.syncMemory(`written-${index}`, MEMORY)),
  );
  writing = false;
  await Promise.all(reads);

  expect(outcomes.filter(({ status }) => status !== "synced")).toEqual([]);
  expect(errors.length).toBeGreaterThan(20);
  expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["DEADLINE_EXCEEDED"]));
  for (const { message } of errors) expect(Number(/within (\d+) ms/.exec(message)?.[1])).toBeLessThan(10_000);
});
