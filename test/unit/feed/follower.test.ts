import { expect, test } from "vitest";
import { pollUntil } from "../../../src/dev/wait.ts";
import { FEED_START } from "../../../src/domain/change-source.ts";
import { EpochChangedError, StoreUnavailableError } from "../../../src/domain/errors.ts";
import { FollowService } from "../../../src/feed/follow-service.ts";
import { type FeedPlace, Follower, headerFeed, type PlaceKeeper, VolatilePlace } from "../../../src/feed/follower.ts";
import { MemorySource, put, recordingLog, tombstone } from "../faiss/support.ts";

/** Goal: a follower hands every change to its user, in order, and its place never passes what the user has applied. */

const signal = AbortSignal.timeout(90_000);
const place = { epoch: "epoch-1", cursor: FEED_START };

function followed(source: MemorySource, limit = 2, keeper: PlaceKeeper = new VolatilePlace(place)) {
  const applied: string[] = [];
  const fail = { next: null as Error | null };
  const clock = { ms: 1_000 };
  const follower = new Follower({
    feed: headerFeed(source, limit),
    place: keeper,
    now: () => clock.ms,
    async apply({ headers }) {
      if (fail.next !== null) throw fail.next;
      applied.push(...headers.map(({ memoryId, version }) => `${memoryId}@${version}`));
      return headers.length;
    },
  });
  return { follower, applied, fail, clock };
}

test("it reads page by page to the feed's end, and later only what is new", async () => {
  const source = new MemorySource();
  source.commit(put("a", 1, null), put("b", 1, null), put("c", 1, null));
  const { follower, applied, clock } = followed(source);
  expect(follower.lagMs).toBeNull();
  expect(await follower.catchUp(signal)).toEqual({ read: 3, applied: 3 });
  source.commit(put("b", 2, null), tombstone("a", 2));
  expect(await follower.catchUp(signal)).toEqual({ read: 2, applied: 2 });
  expect(await follower.catchUp(signal)).toEqual({ read: 0, applied: 0 });
  expect(applied).toEqual(["a@1", "b@1", "c@1", "b@2", "a@2"]);
  clock.ms += 250;
  expect(follower.lagMs).toBe(250);
});

test("a page that its user could not apply comes again, and the lag goes on growing", async () => {
  const source = new MemorySource();
  source.commit(put("a", 1, null), put("b", 1, null), put("c", 1, null));
  const { follower, applied, fail } = followed(source);
  fail.next = new Error("no room");
  await expect(follower.catchUp(signal)).rejects.toThrow("no room");
  expect(follower.caughtUpAt).toBeNull();
  fail.next = null;
  await follower.catchUp(signal);
  expect(applied).toEqual(["a@1", "b@1", "c@1"]);
});

test("a place that was applied and could not be kept has its page come twice, not never", async () => {
  const source = new MemorySource();
  source.commit(put("a", 1, null), put("b", 1, null), put("c", 1, null));
  const kept = new VolatilePlace(place);
  let saves = 0;
  const keeper: PlaceKeeper = {
    load: () => kept.load(),
    async save(from, to) {
      if (++saves === 2) throw new StoreUnavailableError("postgres", "away");
      await kept.save(from, to);
    },
  };
  const { follower, applied } = followed(source, 2, keeper);
  await expect(follower.catchUp(signal)).rejects.toThrow("away");
  await follower.catchUp(signal);
  expect(applied).toEqual(["a@1", "b@1", "c@1", "c@1"]);
});

test("a place of another epoch is told as that before anything is read or applied", async () => {
  const source = new MemorySource();
  const { follower, applied } = followed(source);
  await follower.catchUp(signal);
  source.currentEpoch = "epoch-2";
  source.commit(put("a", 1, null));
  const told = follower.catchUp(signal);
  await expect(told).rejects.toThrow(EpochChangedError);
  await expect(told).rejects.toMatchObject({ expectedEpoch: "epoch-1", foundEpoch: "epoch-2" });
  expect(applied).toEqual([]);
});

test("each pass has the ledger prove that it still holds what the last one read", async () => {
  const source = new MemorySource();
  source.commit(put("a", 1, null), put("b", 1, null), put("c", 1, null));
  const asked: unknown[] = [];
  const { epoch, ...feed } = headerFeed(source, 2);
  const follower = new Follower({
    feed: {
      ...feed,
      epoch: (deadline, seen) => {
        asked.push(seen);
        return epoch(deadline, seen);
      },
    },
    place: new VolatilePlace(place),
    apply: async () => 0,
  });
  await follower.catchUp(signal);
  await follower.catchUp(signal);
  expect(asked).toEqual([[], [{ epoch: "epoch-1", cursor: { xid: "1", seq: "3" } }]]);
});

test("while another process has the place it reads nothing and does not call itself up to date", async () => {
  const source = new MemorySource();
  source.commit(put("a", 1, null));
  let free: FeedPlace | null = null;
  const { follower, applied } = followed(source, 2, { load: async () => free, save: async () => undefined });
  expect(await follower.catchUp(signal)).toEqual({ read: 0, applied: 0 });
  expect(follower.lagMs).toBeNull();
  free = place;
  await follower.catchUp(signal);
  expect(applied).toEqual(["a@1"]);
});

test("a ledger that gives no answer is unavailable after the time allowed", async () => {
  const feed = { epoch: () => new Promise<string>(() => undefined), read: () => Promise.reject(new Error("unused")) };
  const follower = new Follower({ feed, place: new VolatilePlace(place), apply: async () => 0, callTimeoutMs: 20 });
  await expect(follower.catchUp(signal)).rejects.toThrow(/no answer in time/);
});

/** A signal that tests give by hand. */
function newsByHand() {
  const subscribers = new Set<() => void>();
  return {
    subscribers,
    give: () => {
      for (const hear of subscribers) hear();
    },
    listen: async () => false,
    subscribe(hear: () => void) {
      subscribers.add(hear);
      return () => void subscribers.delete(hear);
    },
  };
}

test("the service catches up on a signal, gives its place back once, and leaves nothing behind", async () => {
  const source = new MemorySource();
  const news = newsByHand();
  const log = recordingLog();
  const { follower, applied } = followed(source);
  let released = 0;
  const name = "mine";
  const one = { name, catchUp: (s: AbortSignal) => follower.catchUp(s), release: async () => void released++ };
  // Once a day by itself: what it finds sooner it was told of.
  const service = new FollowService({ followed: [one], news, intervalMs: 86_400_000, log });
  expect(service.status()).toEqual({ state: "idle", lastError: null });
  service.start();
  service.start();
  expect(news.subscribers.size).toBe(1);
  await pollUntil("the first pass", 30_000, () => follower.lagMs !== null);
  source.commit(put("a", 1, null));
  news.give();
  await pollUntil("the change being applied", 30_000, () => applied.length === 1);
  expect(service.status()).toEqual({ state: "running", lastError: null });
  await service.stop();
  await service.stop();
  expect(released).toBe(1);
  expect(news.subscribers.size).toBe(0);
  expect(service.status().state).toBe("stopped");
});

test("one follower that fails does not hold up another, and is retried", async () => {
  const log = recordingLog();
  let passes = 0;
  const fails = { name: "bad", catchUp: () => Promise.reject(new StoreUnavailableError("bad", "away")) };
  const works = { name: "good", catchUp: async () => void passes++ };
  const service = new FollowService({ followed: [fails, works], news: newsByHand(), intervalMs: 5, log });
  service.start();
  const failures = () => log.events.filter(({ fields }) => (fields as { loop?: string }).loop === "follow:bad").length;
  await pollUntil("passes of both", 30_000, () => passes > 5 && failures() > 1);
  expect(service.status()).toEqual({ state: "running", lastError: "bad is unavailable: away" });
  await service.stop();
});
