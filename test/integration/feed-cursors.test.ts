import { expect, test } from "vitest";
import { FEED_START } from "../../src/domain/change-source.ts";
import { EpochChangedError, NotFoundError, ValidationError } from "../../src/domain/errors.ts";
import { parseFilter, WHOLE_FEED } from "../../src/feed/feed-filter.ts";
import { changeEpoch, openFeedWorld } from "../support/feed-world.ts";

/** Goal: one process at a time reads on from a name, and nothing moves a cursor behind its back. Method: two nodes. */

const signal = AbortSignal.timeout(60_000);
const filter = parseFilter({ namespaces: ["b", "a"] });
const at = (xid: number, seq: number) => ({ xid: String(xid), seq: String(seq) });

test("a cursor is made at the start, found again by other nodes, listed by name and dropped", async (t) => {
  const { one, two } = await openFeedWorld(t);
  const made = await one.cursors.open("reader/b", { filter, retentionMs: 60_000 }, signal);
  expect(made).toMatchObject({ cursor: FEED_START, holder: null, retentionMs: 60_000, isCurrent: true });
  expect(await two.cursors.open("reader/b", { filter: parseFilter({ namespaces: ["a", "b", "a"] }) }, signal)).toEqual(
    made,
  );
  await two.cursors.open("reader/a", { filter: WHOLE_FEED, from: "now" }, signal);
  const listed = await one.cursors.list({}, signal);
  expect(listed.map(({ name }) => name)).toEqual(["reader/a", "reader/b"]);
  expect(BigInt(listed[0]?.cursor.xid ?? 0)).toBeGreaterThan(0n);
  expect((await one.cursors.list({ after: "reader/a", limit: 1 }, signal)).map(({ name }) => name)).toEqual([
    "reader/b",
  ]);
  expect(await one.cursors.open("reader/b", { filter, retentionMs: null }, signal)).toMatchObject({
    retentionMs: null,
  });
  expect(await one.cursors.drop("reader/b", {}, signal)).toBe("dropped");
  expect(await two.cursors.drop("reader/b", {}, signal)).toBe("missing");
  expect(await two.cursors.read("reader/b", signal)).toBeNull();
});

test("another filter under the same name is refused by name, and changes nothing", async (t) => {
  const { one } = await openFeedWorld(t);
  const made = await one.cursors.open("reader", { filter }, signal);
  const other = one.cursors.open("reader", { filter: WHOLE_FEED, retentionMs: 5 }, signal);
  await expect(other).rejects.toThrow(ValidationError);
  await expect(other).rejects.toThrow(/"reader" is bound to the filter {"namespaces":\["a","b"\]}/);
  expect(await one.cursors.read("reader", signal)).toEqual(made);
});

test("names, filters and retentions that are malformed are refused with what was expected", async (t) => {
  const { one } = await openFeedWorld(t);
  for (const name of ["", "a b", "ü", "x".repeat(201)]) {
    await expect(one.cursors.open(name, { filter }, signal)).rejects.toThrow(/name: .*expected 1 to 200/);
  }
  for (const retentionMs of [0, -1, 1.5, Number.NaN, 1e15]) {
    await expect(one.cursors.open("x", { filter, retentionMs }, signal)).rejects.toThrow(/retentionMs: is/);
  }
  expect(() => parseFilter({ namespaces: [] })).toThrow(/namespaces: is empty/);
  expect(() => parseFilter({ namespaces: ["no spaces"] })).toThrow(/namespaces\.0: expected 1 to 128/);
  expect(() => parseFilter({ namespaces: Array.from({ length: 101 }, (_, n) => `n${n}`) })).toThrow(/more than 100/);
  expect(() => parseFilter({ reading: "newest" as "changes" })).toThrow(/reading: expected "changes" or "versions"/);
  expect(await one.cursors.list({}, signal)).toEqual([]);
});

test("a cursor advances from where it stands, never back, and of two that advance it one succeeds", async (t) => {
  const { one, two } = await openFeedWorld(t);
  const { epoch } = await one.cursors.open("reader", { filter }, signal);
  const to = (xid: number, seq: number) => ({ epoch, cursor: at(xid, seq) });
  const both = await Promise.all([
    one.cursors.advance("reader", { from: FEED_START, to: to(5, 1) }, signal),
    two.cursors.advance("reader", { from: FEED_START, to: to(5, 2) }, signal),
  ]);
  expect(both.toSorted()).toEqual([false, true]);
  const now = (await one.cursors.read("reader", signal))?.cursor ?? FEED_START;
  expect(await one.cursors.advance("reader", { from: now, to: to(4, 9) }, signal)).toBe(false);
  expect(await one.cursors.advance("reader", { from: now, to: to(10, 0) }, signal)).toBe(true);
  expect(await one.cursors.advance("nobody", { from: now, to: to(10, 0) }, signal)).toBe(false);
  expect((await two.cursors.read("reader", signal))?.cursor).toEqual(at(10, 0));
});

test("one holder at a time reads on; a lease that ran out, or is of a clock that was ahead, is another's to take", async (t) => {
  const { one, two, sql } = await openFeedWorld(t);
  const { epoch } = await one.cursors.open("reader", { filter }, signal);
  expect(await one.cursors.lease("reader", "p1", 60_000, signal)).toBe(true);
  expect(await two.cursors.lease("reader", "p2", 60_000, signal)).toBe(false);
  expect(await one.cursors.lease("reader", "p1", 60_000, signal)).toBe(true);
  expect(await two.cursors.read("reader", signal)).toMatchObject({ holder: "p1" });
  const move = { from: FEED_START, to: { epoch, cursor: at(1, 1) } };
  expect(await two.cursors.advance("reader", { ...move, holder: "p2" }, signal)).toBe(false);
  expect(await two.cursors.advance("reader", move, signal)).toBe(false);
  expect(await two.cursors.restart("reader", { holder: "p2" }, signal)).toBe(false);
  expect(await two.cursors.drop("reader", { holder: "p2" }, signal)).toBe("held");
  await two.cursors.release("reader", "p2", signal);
  expect(await one.cursors.advance("reader", { ...move, holder: "p1" }, signal)).toBe(true);

  await sql`update mnemosync.feed_cursors set lease_expires_at = clock_timestamp() - interval '1 second'`;
  const later = { from: at(1, 1), to: { epoch, cursor: at(2, 1) } };
  expect(await one.cursors.advance("reader", { ...later, holder: "p1" }, signal)).toBe(false);
  expect(await two.cursors.read("reader", signal)).toMatchObject({ holder: null, leaseExpiresAt: null });
  expect(await two.cursors.lease("reader", "p2", 60_000, signal)).toBe(true);

  await sql`update mnemosync.feed_cursors set lease_expires_at = clock_timestamp() + interval '3 days'`;
  expect(await one.cursors.lease("reader", "p1", 60_000, signal)).toBe(true);
  await one.cursors.release("reader", "p1", signal);
  expect(await two.cursors.read("reader", signal)).toMatchObject({ holder: null });
  await expect(one.cursors.lease("nobody", "p1", 1_000, signal)).rejects.toThrow(NotFoundError);
  await expect(one.cursors.lease("reader", "p1", 300_001, signal)).rejects.toThrow(/leaseMs: is 300001/);
});

test("a cursor of another epoch is told as that, moves nowhere, and starts again when it is restarted", async (t) => {
  const { one, sql } = await openFeedWorld(t);
  const { epoch } = await one.cursors.open("reader", { filter }, signal);
  await one.cursors.advance("reader", { from: FEED_START, to: { epoch, cursor: at(7, 7) } }, signal);
  await changeEpoch(sql);
  await expect(one.cursors.open("reader", { filter }, signal)).rejects.toMatchObject({
    code: "EPOCH_CHANGED",
    expectedEpoch: epoch,
  });
  const move = { from: at(7, 7), to: { epoch, cursor: at(8, 8) } };
  await expect(one.cursors.advance("reader", move, signal)).rejects.toThrow(EpochChangedError);
  expect(await one.cursors.read("reader", signal)).toMatchObject({ isCurrent: false, cursor: at(7, 7) });
  expect(await one.cursors.restart("reader", { contents: "new" }, signal)).toBe(true);
  const restarted = await one.cursors.open("reader", { filter }, signal);
  expect(restarted).toMatchObject({ isCurrent: true, cursor: FEED_START, contents: "new" });
  expect(restarted.epoch).not.toBe(epoch);
});
