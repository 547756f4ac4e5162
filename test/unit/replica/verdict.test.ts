import { expect, test } from "vitest";
import { ENDINGS } from "../../../src/domain/ending.ts";
import type { PrimaryRow, ReplicaRow } from "../../../src/replica/merged/sides.ts";
import { fits, isShownAlone, isShownBy } from "../../../src/replica/merged/verdict.ts";

/** Goal: the rule of what only the replica holds, case by case. Method: a complete table of the primary's word and the replica's row. */

const alive = (version: number, isExpired = false): PrimaryRow => ({ version, endedBy: null, isExpired });
const row = (version: number, endedBy: ReplicaRow["endedBy"] = null, isExpired = false): ReplicaRow => ({
  ...{ memoryId: "m", version, endedBy, isExpired, sort: null },
});
const ended = (endedBy: PrimaryRow["endedBy"], version = 5): PrimaryRow => ({ version, endedBy, isExpired: false });
const both = (replica: ReplicaRow, primary: PrimaryRow | undefined) =>
  [false, true].map((archive) => isShownBy(replica, primary, archive));

test("a memory that the primary has is never shown by the replica, whatever its version", () => {
  for (const version of [1, 5, 9]) {
    expect(both(row(version), alive(5))).toEqual([false, false]);
    expect(both(row(version, "expired"), alive(5))).toEqual([false, false]);
  }
});

test("what was deleted, withdrawn or erased at the primary is never shown, however far the replica lags", () => {
  for (const endedBy of ENDINGS.filter((ending) => ending !== "expired")) {
    for (const replica of [row(4), row(5), row(5, "expired"), row(3), row(5, endedBy)]) {
      expect(both(replica, ended(endedBy))).toEqual([false, false]);
    }
  }
});

test("what expired is shown with the archive, from this ending or the version right before it", () => {
  expect(both(row(5, "expired"), ended("expired"))).toEqual([false, true]);
  expect(both(row(4), ended("expired"))).toEqual([false, true]);
  // A version in between may have withheld what this one says.
  expect(both(row(3), ended("expired"))).toEqual([false, false]);
  expect(both(row(3, "expired"), ended("expired"))).toEqual([false, false]);
  // Past its time, and not swept yet.
  expect(both(row(5), alive(5, true))).toEqual([false, true]);
  expect(both(row(4), alive(5, true))).toEqual([false, false]);
});

test("of a memory that the primary does not know, the replica shows what was not ended", () => {
  expect(both(row(4), undefined)).toEqual([true, true]);
  expect(both(row(4, null, true), undefined)).toEqual([false, true]);
  expect(both(row(5, "expired"), undefined)).toEqual([false, true]);
  for (const endedBy of ENDINGS.filter((ending) => ending !== "expired")) {
    expect(both(row(5, endedBy), undefined)).toEqual([false, false]);
  }
  expect(
    [row(4), row(4, null, true), row(5, "expired"), row(5, "deleted")].map((one) => isShownAlone(one, false)),
  ).toEqual([true, false, false, false]);
});

test("the replica fits in the primary's epoch, and not behind the newest tombstone that was pruned", () => {
  const at = (xid: string, seq: string, epoch: string | null = "e1") => ({
    ...{ epoch, cursor: { xid, seq }, prunedAtStart: null },
  });
  const pruned = (xid: string, seq: string) => ({ epoch: "e1", tombstonesPruned: { xid, seq } });
  expect(fits(at("0", "0"), { epoch: "e1", tombstonesPruned: null })).toBe(true);
  expect(fits(at("0", "0", "e0"), { epoch: "e1", tombstonesPruned: null })).toBe(false);
  expect(fits(at("0", "0", null), { epoch: "e1", tombstonesPruned: null })).toBe(false);
  expect(fits(at("9", "2"), pruned("9", "2"))).toBe(true);
  expect(fits(at("9", "1"), pruned("9", "2"))).toBe(false);
  // Numbers, not texts.
  expect(fits(at("10", "1"), pruned("9", "2"))).toBe(true);
  expect(fits(at("9", "10"), pruned("9", "9"))).toBe(true);
  expect(fits(at("9007199254740993", "1"), pruned("9007199254740992", "2"))).toBe(true);
  // Pruned before it began to read at the start: it never had it, and no change may ever bring it to that place.
  expect(fits({ ...at("7", "1"), prunedAtStart: { xid: "9", seq: "2" } }, pruned("9", "2"))).toBe(true);
  expect(fits({ ...at("7", "1"), prunedAtStart: { xid: "9", seq: "2" } }, pruned("9", "3"))).toBe(false);
});
