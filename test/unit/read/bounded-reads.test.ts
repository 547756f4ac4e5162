import { expect, test } from "vitest";
import type { HistoricVersion } from "../../../src/ledger/history-statements.ts";
import type { LedgerStore } from "../../../src/ledger/ledger.ts";
import { readInParts } from "../../../src/read/bounded-reads.ts";
import { History } from "../../../src/read/history.ts";

/** Goal: what a call reads is bounded before it is read. Method: the reads of one call are counted, with their sizes. */

const MEBIBYTE = 1_048_576;
const { signal } = new AbortController();

function reading(bytesOfEach: number) {
  const reads: number[] = [];
  const read = async (part: readonly number[]): Promise<readonly number[]> => {
    reads.push(part.length);
    return part;
  };
  const items = Array.from({ length: 1_000 }, (_, index) => index);
  const run = (onBytes: (bytes: number) => void) => readInParts(items, read, () => bytesOfEach, onBytes);
  return { reads, items, run };
}

test("a thousand small items are read with few calls, in order", async () => {
  const { reads, items, run } = reading(500);
  let told = 0;
  expect(await run((bytes) => (told += bytes))).toEqual(items);
  expect(told).toBe(500_000);
  expect(reads).toEqual([32, 128, 512, 328]);
});

test("large items are read a few at a time, and an error of the listener ends it before the next read", async () => {
  const { reads, run } = reading(MEBIBYTE);
  let held = 0;
  const full = new Error("no room");
  const onBytes = (bytes: number): void => {
    held += bytes;
    if (held > 40 * MEBIBYTE) throw full;
  };
  await expect(run(onBytes)).rejects.toBe(full);
  expect(reads).toEqual([32, 4, 4, 4]);
});

/** A memory with 1,000 versions of a mebibyte. */
function longHistory() {
  const bodies: number[] = [];
  const versionOf = (version: number): HistoricVersion => {
    bodies.push(version);
    return {
      ...{ namespace: "default", memoryId: "m", version, checksum: "c".repeat(64), embedding: null },
      documentJson: JSON.stringify({
        ...{ content: "x".repeat(MEBIBYTE), memoryType: "e", importance: 0.5, metadata: {}, privacy: "full" },
      }),
      ...{ versionVector: { n: version }, modifiedAt: version, endedBy: null, transactionId: "t" },
    };
  };
  const ledger = {
    readHistoryPage: async (_key: object, before: number | null, limit: number) => {
      const newest = Math.min(1_000, (before ?? 1_001) - 1);
      return Array.from({ length: Math.min(limit, newest) }, (_, index) => versionOf(newest - index));
    },
    readHistoryVersions: async (_key: object, limit: number) =>
      Array.from({ length: Math.min(limit, 1_000) }, (_, index) => 1_000 - index),
  };
  const never = async (): Promise<never> => {
    throw new Error("nothing is written here");
  };
  const history = new History({
    ledger: ledger as unknown as LedgerStore,
    historyVersionsMax: () => 100,
    write: never,
    writeAtomically: never,
  });
  return { history, bodies };
}

const KEY = { namespace: "default", memoryId: "m" };

test("a history is read part by part, as far as the listener lets it", async () => {
  const { history, bodies } = longHistory();
  const full = new Error("no room");
  let held = 0;
  const listing = history.list(
    KEY,
    1_000,
    (bytes) => {
      held += bytes;
      if (held > 17 * MEBIBYTE) throw full;
    },
    signal,
  );
  await expect(listing).rejects.toBe(full);
  expect(bodies).toHaveLength(19);
});

test("a history has the versions that are kept, newest first, and no more than asked for", async () => {
  const { history } = longHistory();
  const kept = await history.list(KEY, 1_000, undefined, signal);
  expect(kept.map(({ version }) => version)).toEqual(Array.from({ length: 101 }, (_, index) => 1_000 - index));
  expect((await history.list(KEY, 18, undefined, signal)).map(({ version }) => version).at(-1)).toBe(983);
});

test("a comparison of two versions reads no other body", async () => {
  const { history, bodies } = longHistory();
  await history.diff(KEY, 901, 1_000, signal);
  expect(bodies).toEqual([901, 1_000]);
  await expect(history.diff(KEY, 5, 1_000, signal)).rejects.toThrow(/versions kept: 900 to 1000/);
});
