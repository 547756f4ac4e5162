import { expect, test } from "vitest";
import { PartOfPool } from "../../../src/drivers/postgres/part-of-pool.ts";
import type { PostgresConnection } from "../../../src/drivers/postgres/postgres-access.ts";

const NEVER = new AbortController().signal;

/** A pool whose work ends when the test says so. */
function pool() {
  const ends: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const use = async <T>(_signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> => {
    running++;
    most = Math.max(most, running);
    try {
      await new Promise<void>((resolve) => ends.push(resolve));
      return await work({} as PostgresConnection);
    } finally {
      running--;
    }
  };
  return { use, ends, most: () => most };
}

test("no more connections than its part are in use; the others come in their order", async () => {
  const whole = pool();
  const part = new PartOfPool(whole, { connectionsMax: 2, waitingMax: 10 });
  const done: number[] = [];
  const calls = [1, 2, 3, 4, 5].map((number) => part.use(NEVER, async () => void done.push(number)));
  for (let number = 0; number < 5; number++) {
    await expect.poll(() => whole.ends.length).toBeGreaterThan(number);
    whole.ends[number]?.();
  }
  await Promise.all(calls);
  expect(done).toEqual([1, 2, 3, 4, 5]);
  expect(whole.most()).toBe(2);
});

test("a caller that waits is refused beyond the limit, and leaves at its deadline without a connection", async () => {
  const whole = pool();
  const part = new PartOfPool(whole, { connectionsMax: 1, waitingMax: 1 });
  const first = part.use(NEVER, async () => "first");
  const abort = new AbortController();
  const waits = part.use(abort.signal, async () => "never");
  await expect(part.use(NEVER, async () => "refused")).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
  abort.abort(new DOMException("late", "TimeoutError"));
  await expect(waits).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  const next = part.use(NEVER, async () => "next");
  await expect.poll(() => whole.ends.length).toBe(1);
  whole.ends[0]?.();
  await expect.poll(() => whole.ends.length).toBe(2);
  whole.ends[1]?.();
  expect(await Promise.all([first, next])).toEqual(["first", "next"]);
});
