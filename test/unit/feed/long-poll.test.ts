import { expect, test } from "vitest";
import { pollUntil } from "../../../src/dev/wait.ts";
import { FEED_START } from "../../../src/domain/change-source.ts";
import { QueueFullError } from "../../../src/domain/errors.ts";
import { parseFilter } from "../../../src/feed/feed-filter.ts";
import type { FeedChange, FeedChanges, FeedQuery } from "../../../src/feed/feed-page.ts";
import { LongPolls } from "../../../src/feed/long-poll.ts";
import { silentLog } from "../../../src/runtime/log.ts";

/** Goal: one read serves all that wait at a place, and none misses what was committed. Method: a feed made by hand. */

const signal = AbortSignal.timeout(300_000);
const filter = parseFilter({});
const DAY_MS = 86_400_000;

function query(seq: number): FeedQuery {
  return { place: { epoch: "e", cursor: { xid: "1", seq: String(seq) } }, filter, parts: "keys", limit: 10 };
}

/** A feed whose changes are numbers; those above `shown` are committed and not covered by the horizon yet. */
function feedByHand() {
  const subscribers = new Set<() => void>();
  const state = { committed: 0, shown: 0, reads: 0, heard: false };
  const read = async ({ place }: FeedQuery): Promise<FeedChanges> => {
    state.reads++;
    const { cursor } = place ?? { cursor: FEED_START };
    const { shown, committed } = state;
    const changes = [];
    for (let seq = Number(cursor.seq) + 1; seq <= shown; seq++) changes.push({ version: seq } as FeedChange);
    return {
      epoch: "e",
      changes,
      cursor: { xid: "1", seq: String(Math.max(shown, Number(cursor.seq))) },
      size: changes.length,
      complete: true,
      horizon: BigInt(shown + 1),
      newest: BigInt(committed + 1),
      damaged: [],
    };
  };
  const news = {
    listen: async () => {
      const first = !state.heard;
      state.heard = true;
      return first;
    },
    subscribe: (hear: () => void) => {
      subscribers.add(hear);
      return () => void subscribers.delete(hear);
    },
  };
  const polls = new LongPolls({ read, news, log: silentLog, intervalMs: DAY_MS, deafIntervalMs: DAY_MS });
  const commit = (isCovered = true) => {
    state.committed++;
    if (isCovered) state.shown = state.committed;
    for (const hear of subscribers) hear();
  };
  return { polls, state, commit, subscribers };
}

test("however many wait at a place, one read finds them the news", async () => {
  const { polls, state, commit } = feedByHand();
  const readers = Array.from({ length: 500 }, () => polls.next(query(0), DAY_MS, signal));
  await pollUntil("the first looks", 30_000, () => state.reads > 0);
  await new Promise(setImmediate);
  const before = state.reads;
  expect(before).toBeLessThanOrEqual(3);
  expect(polls.places).toBe(1);
  commit();
  const pages = await Promise.all(readers);
  expect(new Set(pages).size).toBe(1);
  expect(pages[0]?.changes).toHaveLength(1);
  expect(state.reads - before).toBe(1);
  expect(polls.readers).toBe(0);
  await pollUntil("the place being forgotten", 20_000, () => polls.places === 0);
});

test("a signal that comes before the horizon has passed has it looked again until it has", async () => {
  const { polls, state, commit } = feedByHand();
  const waiting = polls.next(query(0), DAY_MS, signal);
  await pollUntil("the first look", 30_000, () => state.reads > 0);
  commit(false);
  await pollUntil("looks in vain", 30_000, () => state.reads >= 4);
  state.shown = state.committed; // The older transaction ends, and no signal tells of it.
  expect((await waiting).changes).toHaveLength(1);
});

test("after a commit that the filter hides, it waits for the next signal and looks no more", async () => {
  const { polls, state, subscribers } = feedByHand();
  const waiting = expect(polls.next(query(0), DAY_MS, signal)).rejects.toMatchObject({ code: "CLOSED" });
  await pollUntil("the first look", 30_000, () => state.reads > 0);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const before = state.reads;
  for (const hear of subscribers) hear();
  await pollUntil("one look more", 30_000, () => state.reads === before + 1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(state.reads).toBe(before + 1);
  await polls.close();
  await waiting;
  expect(polls.places).toBe(0);
});

test("a reader that joins sees what was committed before it came, though a look was under way", async () => {
  const { polls, state, commit } = feedByHand();
  const first = polls.next(query(0), DAY_MS, signal);
  await pollUntil("the first look", 30_000, () => state.reads > 0);
  state.committed = 1; // Committed and covered; its signal is lost.
  state.shown = 1;
  const second = await polls.next(query(0), DAY_MS, signal);
  expect(second.changes).toHaveLength(1);
  expect(await first).toBe(second);
  commit();
});

test("each reader's own time counts, and the last one to leave ends the loop", async () => {
  const { polls, state } = feedByHand();
  const patient = polls.next(query(0), DAY_MS, signal);
  expect((await polls.next(query(0), 20, signal)).changes).toEqual([]);
  expect(polls.places).toBe(1);
  expect(polls.readers).toBe(1);
  state.committed = state.shown = 1;
  await polls.next(query(0), 5_000, signal);
  expect((await patient).changes).toHaveLength(1);
  expect((await polls.next(query(7), 20, signal)).changes).toEqual([]);
  expect(polls.readers).toBe(0);
  await pollUntil("no place being left", 20_000, () => polls.places === 0);
});

test("more places than may be waited at are refused, and are free again later", async () => {
  const { polls } = feedByHand();
  const leaving = new AbortController();
  const readers = Array.from({ length: 1_000 }, (_, at) => polls.next(query(at), DAY_MS, leaving.signal));
  await expect(polls.next(query(1_000), DAY_MS, signal)).rejects.toThrow(QueueFullError);
  leaving.abort();
  await Promise.allSettled(readers);
  expect((await polls.next(query(1_000), 10, signal)).changes).toEqual([]);
  await polls.close();
});
