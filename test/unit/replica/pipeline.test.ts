import { expect, test } from "vitest";
import type { FeedCursor } from "../../../src/domain/change-source.ts";
import type { PlaceMove } from "../../../src/replica/cursor-statements.ts";
import { Pipeline } from "../../../src/replica/pipeline.ts";
import type { ReplicaWrite } from "../../../src/replica/replica-write.ts";
import fc from "../../support/properties.ts";

/**
 * Goal: whatever order the replica answers in, a memory's versions are written in order, and the place is never ahead of the data.
 * Method: pages of few memories, and answers in an order that fast-check chooses.
 */

const at = (seq: number): FeedCursor => ({ xid: "1", seq: String(seq) });

interface Place {
  readonly memoryId: string;
  readonly seq: number;
}

const writeOf = ({ memoryId, seq }: Place): ReplicaWrite =>
  ({ namespace: "default", memoryId, version: seq, transactionId: `t${seq}` }) as ReplicaWrite;

const pagesOf = (memories: readonly (readonly number[])[]): { writes: ReplicaWrite[]; to: FeedCursor }[] => {
  let seq = 0;
  return memories.map((page) => {
    const writes = page.map((memory) => writeOf({ memoryId: `m${memory}`, seq: ++seq }));
    return { writes, to: at(seq) };
  });
};

/** Writes pages, and checks each commit. @returns the versions in the order of their commits. */
async function run(
  s: fc.Scheduler,
  pages: ReturnType<typeof pagesOf>,
  options: { workers: number; batchSize: number; windowMax: number },
): Promise<string[]> {
  const held = new Set<number>();
  const committed: string[] = [];
  let place = 0;
  const pipeline = new Pipeline({
    ...options,
    from: at(0),
    write: async (writes, move: PlaceMove | null) => {
      expect(writes.length).toBeLessThanOrEqual(options.batchSize);
      await s.schedule(Promise.resolve());
      for (const { memoryId, version } of writes) {
        held.add(version);
        committed.push(`${memoryId}@${version}`);
      }
      if (move === null) return;
      expect(Number(move.from.seq)).toBe(place);
      place = Number(move.to.seq);
      for (let seq = 1; seq <= place; seq++) expect(held.has(seq)).toBe(true);
    },
  });
  const work = (async () => {
    for (const page of pages) await pipeline.add(page);
    const rest = await pipeline.drain();
    // Only pages without a write are left for their owner.
    expect(Number(rest?.to.seq ?? place)).toBe(Number(pages.at(-1)?.to.seq ?? 0));
    if (rest !== null) expect(held.size).toBe(Number(rest.to.seq));
  })();
  await s.waitFor(work);
  return committed;
}

test("memories keep their order and the place stays behind the data, in whatever order batches are committed", async () => {
  const page = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 30, size: "max" });
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(page, { maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 40 }),
      async (s, memories, workers, batchSize, windowMax) => {
        const pages = pagesOf(memories);
        const committed = await run(s, pages, { workers, batchSize, windowMax });
        const versions = new Map<string, number>();
        for (const line of committed) {
          const [memoryId, version] = line.split("@") as [string, string];
          expect(Number(version)).toBeGreaterThan(versions.get(memoryId) ?? 0);
          versions.set(memoryId, Number(version));
        }
        expect(committed.length).toBe(memories.flat().length);
      },
    ),
    { numRuns: 200 },
  );
});

test("a page of different memories is shared evenly, and a small one is one batch", async () => {
  const sizes: number[] = [];
  const write = async (writes: readonly ReplicaWrite[]): Promise<void> => void sizes.push(writes.length);
  const pipeline = new Pipeline({ workers: 4, batchSize: 100, windowMax: 2_000, from: at(0), write });
  const page = (from: number, count: number) =>
    pagesOf([Array.from({ length: count }, (_, index) => from + index)])[0] as ReturnType<typeof pagesOf>[number];
  await pipeline.add(page(0, 400));
  await pipeline.drain();
  expect(sizes.splice(0)).toEqual([100, 100, 100, 100]);
  await pipeline.add(page(1_000, 30));
  await pipeline.drain();
  expect(sizes).toEqual([30]);
});

test("large documents fill the window before their number does, and a page that is larger than it goes alone", async () => {
  const ends: (() => void)[] = [];
  const write = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  const pipeline = new Pipeline({ workers: 4, batchSize: 100, windowMax: 2_000, from: at(0), write });
  const MEGABYTE = 1024 * 1024;
  const page = (seq: number, megabytes: number) => {
    const document = { length: megabytes * MEGABYTE } as Buffer;
    return { writes: [{ ...writeOf({ memoryId: `m${seq}`, seq }), document, embedding: null }], to: at(seq) };
  };
  let taken = 0;
  const adding = (async () => {
    for (const [index, megabytes] of [30, 30, 30, 100, 1].entries()) {
      await pipeline.add(page(index + 1, megabytes));
      taken++;
    }
  })();
  const seen = async (): Promise<number> => {
    await new Promise(setImmediate);
    return taken;
  };
  expect(await seen()).toBe(2);
  ends[0]?.();
  expect(await seen()).toBe(3);
  ends[1]?.();
  expect(await seen()).toBe(3);
  ends[2]?.();
  expect(await seen()).toBe(4);
  ends[3]?.();
  expect(await seen()).toBe(5);
  ends[4]?.();
  await adding;
  expect(await pipeline.drain()).toBe(null);
});
