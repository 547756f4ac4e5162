import { describe, expect, test } from "vitest";
import type { SentRecord, SinkState } from "../../src/connectors/state/sink-state.ts";
import type { RunRecord } from "../../src/connectors/state/state.ts";
import { runUnderWay } from "./connector-runs.ts";

export interface SinkStateUnderTest {
  readonly state: SinkState;
  /** Gives the state up as a killed process does, and opens what is durable. */
  reopen(): Promise<SinkState>;
  close(): Promise<void>;
}

/** What every state of a connector to another service promises, wherever it is kept. */
export function sinkStateConformance(name: string, open: () => Promise<SinkStateUnderTest>): void {
  const run = (id: string, fields: Partial<RunRecord> = {}) => runUnderWay(id, "changes", fields);
  const record = (memoryId: string, fields: Partial<SentRecord> = {}): SentRecord => ({
    ...{ namespace: "n", memoryId, version: 1, wanted: 1, ends: false, hash: "h", name: `${memoryId}_v1.md` },
    ...{ state: "queued", receipt: null, old: [], doomed: [], reason: null, seenIn: "r1" },
    ...fields,
  });
  const idsOf = (records: readonly SentRecord[]) => records.map(({ memoryId }) => memoryId);

  describe(`the state of a sink in ${name}`, () => {
    const withState = (title: string, body: (under: SinkStateUnderTest) => Promise<void>) =>
      test(title, async () => {
        const under = await open();
        try {
          await body(under);
        } finally {
          await under.close();
        }
      });

    withState("is empty at first", async ({ state }) => {
      expect(await state.cursor()).toBeNull();
      expect(await state.reading()).toBeNull();
      expect(await state.record({ namespace: "n", memoryId: "a" })).toBeNull();
      expect(await state.inState("queued", 10)).toEqual([]);
      expect(await state.runs(10)).toEqual([]);
    });

    withState("keeps records, cursor and reading together, from their acknowledgement on", async (under) => {
      const { state } = under;
      expect(await state.begin(run("r1"))).toBeNull();
      const full = record("a", {
        ...{
          state: "sent",
          receipt: { name: "a_v1.md", sentAt: 7, trackId: null },
          old: ["a_v0.md"],
          doomed: ["x.md"],
        },
        ...{ wanted: 2, ends: true, reason: "why" },
      });
      await state.checkpoint({ run: run("r1"), records: [full, record("b")], cursor: "c1", reading: "r1" });
      const again = await under.reopen();
      expect(await again.record({ namespace: "n", memoryId: "a" })).toEqual(full);
      expect(await again.cursor()).toBe("c1");
      expect(await again.reading()).toBe("r1");
      expect(await again.begin(run("r2"))).toBeNull();
      // Without a cursor it stays where it was.
      await again.checkpoint({ run: run("r2"), records: [record("a", { hash: null, name: null })], reading: null });
      await again.end(run("r2", { state: "succeeded", endedAt: 9, cursorAfter: "c1" }));
      const last = await under.reopen();
      expect(await last.record({ namespace: "n", memoryId: "a" })).toEqual(record("a", { hash: null, name: null }));
      expect(await last.cursor()).toBe("c1");
      expect(await last.reading()).toBeNull();
      expect(await last.runs(2)).toMatchObject([
        { id: "r2", state: "succeeded", cursorAfter: "c1" },
        { id: "r1", state: "interrupted" },
      ]);
    });

    withState("gives a cursor up where the feed is read from its start", async ({ state }) => {
      await state.begin(run("r1"));
      await state.checkpoint({ run: run("r1"), records: [], cursor: "c1", reading: null });
      await state.checkpoint({ run: run("r1"), records: [], cursor: null, reading: "again" });
      expect(await state.cursor()).toBeNull();
    });

    withState("gives records by their states, the longest waiting ones first", async (under) => {
      const { state } = under;
      await state.begin(run("r1"));
      await state.checkpoint({
        run: run("r1"),
        records: ["a", "b", "c"].map((id) => record(id)),
        cursor: "c1",
        reading: null,
      });
      await state.checkpoint({ run: run("r1"), records: [record("a")], reading: null });
      await state.checkpoint({ run: run("r1"), records: [record("c", { state: "sent" })], reading: null });
      for (const each of [state, await under.reopen()]) {
        expect(idsOf(await each.inState("queued", 10))).toEqual(["b", "a"]);
        expect(idsOf(await each.inState("queued", 1))).toEqual(["b"]);
        expect(idsOf(await each.inState("sent", Number.POSITIVE_INFINITY))).toEqual(["c"]);
      }
    });

    withState(
      "gives records with names that are being removed, and those that a reading did not name",
      async ({ state }) => {
        await state.begin(run("r1"));
        await state.checkpoint({
          run: run("r1"),
          records: [
            record("a", { doomed: ["x.md"], state: "gone" }),
            record("b", { seenIn: "r2" }),
            record("c", { state: "delivered" }),
          ],
          cursor: "c1",
          reading: null,
        });
        expect(idsOf(await state.withDoomed(10))).toEqual(["a"]);
        expect(idsOf(await state.unseen("r2", 10))).toEqual(["c"]);
        await state.checkpoint({ run: run("r1"), records: [record("a", { state: "gone" })], reading: null });
        expect(await state.withDoomed(10)).toEqual([]);
      },
    );
  });
}
