import { expect, test } from "vitest";
import { LeasePool, type LeasePoolOptions } from "../../../src/runtime/lease-pool.ts";

interface Connection {
  readonly number: number;
  usable: boolean;
}

/** A pool of connections that are only numbers, and what happened to it. */
function samplePool(options: Partial<LeasePoolOptions> = {}) {
  const opened: Connection[] = [];
  const used: boolean[] = [];
  const server = { refuses: false };
  const pool = new LeasePool<Connection>(
    {
      open: async () => {
        if (server.refuses) throw new Error("refused");
        const connection = { number: opened.length + 1, usable: true };
        opened.push(connection);
        return connection;
      },
      isUsable: ({ usable }) => usable,
      destroy: (connection) => {
        connection.usable = false;
      },
      end: async (connection) => {
        connection.usable = false;
      },
      openError: (error) => new Error(`not opened: ${(error as Error).message}`),
      workError: (error) => new Error(`work failed: ${(error as Error).message}`),
    },
    {
      store: "sample",
      min: 0,
      max: 2,
      waitingMax: 2,
      lifetimeMs: 60_000,
      idleTimeoutMs: 60_000,
      onUsed: (answered) => used.push(answered),
      ...options,
    },
  );
  return { pool, opened, used, server };
}

const never = new AbortController().signal;

/** Work that holds its connection until it is told to end. */
function heldWork() {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const work = async (connection: Connection): Promise<number> => {
    await ended;
    return connection.number;
  };
  return { work, end };
}

test("a connection is used again, and no two pieces of work have one at a time", async () => {
  const { pool, opened } = samplePool();
  const held = heldWork();
  const first = pool.use(never, held.work);
  const second = await pool.use(never, async ({ number }) => number);
  expect(second).toBe(2);
  expect(await pool.use(never, async ({ number }) => number)).toBe(2);
  expect(pool.statistics()).toEqual({ idle: 1, busy: 1, waiting: 0 });
  held.end();
  expect(await first).toBe(1);
  expect(opened).toHaveLength(2);
  expect(pool.counts()).toEqual({ opened: 2, recycled: 0, lost: 0 });
});

test("at the maximum calls wait in order, and more of them than may wait are refused", async () => {
  const { pool } = samplePool({ max: 1 });
  const held = heldWork();
  const order: string[] = [];
  const first = pool.use(never, held.work);
  const waiting = ["a", "b"].map((name) => pool.use(never, async () => void order.push(name)));
  await expect(pool.use(never, async () => "c")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "sample" });
  expect(pool.statistics()).toEqual({ idle: 0, busy: 1, waiting: 2 });
  held.end();
  await Promise.all([first, ...waiting]);
  expect(order).toEqual(["a", "b"]);
});

test("a waiter that gives up in the moment of its turn passes the connection on", async () => {
  const abort = new AbortController();
  // Called after the work and right before its connection is handed to the first waiter, which has not left the queue yet.
  const { pool, opened } = samplePool({ max: 1, onUsed: () => abort.abort() });
  const held = heldWork();
  const first = pool.use(never, held.work);
  const impatient = pool.use(abort.signal, async () => "reached");
  const patient = pool.use(never, async ({ number }) => number);
  held.end();
  await first;
  await expect(impatient).rejects.toMatchObject({ code: "ABORTED" });
  expect(await patient).toBe(1);
  expect(opened).toHaveLength(1);
  expect(pool.statistics()).toEqual({ idle: 1, busy: 0, waiting: 0 });
});

test("a waiter that gives up just after it was told of free room lets the next one have it", async () => {
  // The moment is some microtasks wide: every one of them is tried.
  for (let steps = 0; steps < 12; steps++) {
    const { pool } = samplePool({ max: 1 });
    const abort = new AbortController();
    const failing = pool.use(never, async () => {
      await Promise.resolve();
      // The waiters are in place now. This failure frees the room of its connection.
      void (async () => {
        for (let step = 0; step < steps; step++) await Promise.resolve();
        abort.abort(new Error("gave up"));
      })();
      throw new Error("failed");
    });
    const givesUp = pool.use(abort.signal, async () => "served");
    const waits = pool.use(AbortSignal.timeout(1_000), async () => "served");
    await expect(failing).rejects.toThrow("failed");
    await Promise.allSettled([givesUp]);
    await expect(waits, `${steps} microtasks`).resolves.toBe("served");
  }
});

test("failed work costs its connection, a deadline too, and each says whether the store answered", async () => {
  const { pool, opened, used } = samplePool();
  await expect(pool.use(never, () => Promise.reject(new Error("no")))).rejects.toThrow("work failed: no");
  const late = new AbortController();
  const stuck = pool.use(late.signal, () => new Promise<never>(() => undefined));
  await Promise.resolve();
  late.abort(new DOMException("time is up", "TimeoutError"));
  await expect(stuck).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "sample" });
  const given = AbortSignal.abort();
  await expect(pool.use(given, async () => "reached")).rejects.toMatchObject({ code: "ABORTED" });
  expect(opened.every(({ usable }) => !usable)).toBe(true);
  expect(pool.counts()).toMatchObject({ lost: opened.length, recycled: 0 });
  expect(used).toEqual([false]); // An error of the work itself says nothing about the store.
  expect(await pool.use(never, async () => "well")).toBe("well");
  expect(used).toEqual([false, true]);
});

test("a connection that cannot be opened frees its place for the next waiter", async () => {
  const { pool, server } = samplePool({ max: 1 });
  server.refuses = true;
  const calls = [pool.use(never, async () => "a"), pool.use(never, async () => "b")];
  for (const call of calls) await expect(call).rejects.toThrow("not opened: refused");
  server.refuses = false;
  expect(await pool.use(never, async () => "c")).toBe("c");
});

test("upkeep closes dead, old and needless connections, and opens the minimum", async () => {
  const { pool, opened } = samplePool({ min: 1, max: 3, idleTimeoutMs: 0 });
  const held = [heldWork(), heldWork(), heldWork()];
  const calls = held.map(({ work }) => pool.use(never, work));
  for (const { end } of held) end();
  await Promise.all(calls);
  expect(pool.statistics().idle).toBe(3);
  (opened[0] as Connection).usable = false;
  await pool.maintain(never);
  expect(pool.statistics().idle).toBe(1);
  expect(pool.counts()).toEqual({ opened: 3, recycled: 1, lost: 1 });
  (opened.find(({ usable }) => usable) as Connection).usable = false;
  await pool.maintain(never);
  expect(pool.statistics().idle).toBe(1);
  expect(pool.counts()).toMatchObject({ opened: 4, lost: 2 });
});

test("close drops the connections in use, refuses the waiting calls, and leaves nothing open", async () => {
  const { pool, opened } = samplePool({ max: 1 });
  await pool.use(never, async () => undefined);
  const held = heldWork();
  const busy = pool.use(never, held.work);
  const waiting = expect(pool.use(never, async () => "reached")).rejects.toMatchObject({ code: "CLOSED" });
  await pool.close();
  expect(opened.every(({ usable }) => !usable)).toBe(true);
  await waiting;
  await expect(pool.use(never, async () => "reached")).rejects.toMatchObject({ code: "CLOSED" });
  held.end();
  await busy;
  expect(pool.statistics()).toEqual({ idle: 0, busy: 0, waiting: 0 });
});

test("a connection that is opened while the pool closes is dropped", async () => {
  const { pool, opened } = samplePool();
  const call = pool.use(never, async () => "reached");
  await pool.close();
  await expect(call).rejects.toMatchObject({ code: "CLOSED" });
  expect(opened.map(({ usable }) => usable)).toEqual([false]);
});
