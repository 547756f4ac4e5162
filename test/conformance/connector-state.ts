import { describe, expect, test } from "vitest";
import {
  type ConnectorState,
  type KnownItem,
  NO_COUNTS,
  type RunCounts,
  type RunRecord,
} from "../../src/connectors/state/state.ts";
import { runUnderWay } from "./connector-runs.ts";

export interface StateUnderTest {
  readonly state: ConnectorState;
  /** Gives the state up as a killed process does, and opens what is durable. */
  reopen(): Promise<ConnectorState>;
  close(): Promise<void>;
}

/** What every state of a connector promises, wherever it is kept. */
export function connectorStateConformance(name: string, open: () => Promise<StateUnderTest>): void {
  const run = (id: string, fields: Partial<RunRecord> = {}) => runUnderWay(id, "full", fields);
  const item = (id: string, fields: Partial<KnownItem> = {}): KnownItem => ({
    ...{ id, memoryId: `m/${id}`, hash: "h1", seenIn: "r1", state: "imported" },
    ...fields,
  });
  const letter = (itemId: string, reason = "too long") => ({
    ...{ itemId, memoryId: `m/${itemId}`, code: "VALIDATION", reason, at: 5, payload: "{}" },
  });
  const none = { items: [], deadLetters: [], settled: [] };

  describe(`the state of a connector in ${name}`, () => {
    const withState = (title: string, body: (under: StateUnderTest) => Promise<void>) =>
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
      expect(await state.countImported()).toBe(0);
      expect(await state.runs(10)).toEqual([]);
      expect(await state.deadLetters(10)).toEqual([]);
      expect((await state.items(["a"])).size).toBe(0);
    });

    withState("keeps each page from its acknowledgement on, and the cursor with the end of the run", async (under) => {
      const { state } = under;
      expect(await state.begin(run("r1"))).toBeNull();
      await state.checkpoint({
        ...none,
        run: run("r1", { counts: { ...NO_COUNTS, read: 2 } }),
        items: [item("a"), item("b")],
      });
      const again = await under.reopen();
      expect([...(await again.items(["a", "b", "c"])).keys()].sort()).toEqual(["a", "b"]);
      expect(await again.cursor()).toBeNull();
      expect((await again.runs(1))[0]).toMatchObject({ id: "r1", counts: { read: 2 } });
      expect(await again.begin(run("r2"))).toBeNull();
      expect(await again.runs(2)).toMatchObject([
        { id: "r2", state: "running" },
        { id: "r1", state: "interrupted" },
      ]);
      await again.end(run("r2", { state: "succeeded", endedAt: 9, cursorAfter: 1_000 }), 1_000);
      const last = await under.reopen();
      expect(await last.cursor()).toBe(1_000);
      expect((await last.runs(1))[0]).toMatchObject({ id: "r2", state: "succeeded" });
    });

    withState("reads the run of an older version: what that did not count is 0", async (under) => {
      const { media: _, bytes: __, ...older } = { ...NO_COUNTS, read: 2 };
      await under.state.begin(run("r1", { counts: older as RunCounts }));
      await under.state.checkpoint({ ...none, run: run("r1", { counts: older as RunCounts }) });
      const again = await under.reopen();
      expect((await again.runs(1)).map(({ counts }) => counts)).toEqual([{ ...NO_COUNTS, read: 2 }]);
      const fetched = { ...NO_COUNTS, read: 2, media: 3, bytes: 2 ** 40 };
      await again.begin(run("r2"));
      await again.end(run("r2", { state: "succeeded", endedAt: 9, counts: fetched }), null);
      expect((await (await under.reopen()).runs(1))[0]?.counts).toEqual(fetched);
    });

    withState("keeps the latest of what was told of an item", async (under) => {
      const { state } = under;
      await state.begin(run("r1"));
      await state.checkpoint({ ...none, run: run("r1"), items: [item("a"), item("b")] });
      await state.checkpoint({
        ...none,
        run: run("r1"),
        items: [item("a", { hash: "h2" }), item("b", { state: "deleted" })],
      });
      for (const each of [state, await under.reopen()]) {
        expect((await each.items(["a", "b"])).get("a")).toEqual(item("a", { hash: "h2" }));
        expect(await each.countImported()).toBe(1);
      }
    });

    withState("gives the items that a run has not seen, in order and in pages", async ({ state }) => {
      await state.begin(run("r1"));
      const ids = Array.from({ length: 7 }, (_, index) => `i${index}`);
      await state.checkpoint({ ...none, run: run("r1"), items: ids.map((id) => item(id)) });
      await state.checkpoint({
        ...none,
        run: run("r1"),
        items: [item("i2", { seenIn: "r2" }), item("i5", { state: "erased" })],
      });
      const first = await state.unseen("r2", "", 3);
      expect(first.map(({ id }) => id)).toEqual(["i0", "i1", "i3"]);
      expect((await state.unseen("r2", "i3", 10)).map(({ id }) => id)).toEqual(["i4", "i6"]);
    });

    withState("gives the items of a state in order and in pages", async (under) => {
      const { state } = under;
      await state.begin(run("r1"));
      const items = ["c", "a", "d", "b"].map((id) => item(id, { state: id === "d" ? "imported" : "deleted" }));
      await state.checkpoint({ ...none, run: run("r1"), items });
      expect((await state.inState("deleted", "", 2)).map(({ id }) => id)).toEqual(["a", "b"]);
      expect((await state.inState("deleted", "b", 10)).map(({ id }) => id)).toEqual(["c"]);
      expect(await state.inState("refused", "", 10)).toEqual([]);
    });

    withState("counts the attempts of a dead letter, and forgets it once its item came through", async (under) => {
      const { state } = under;
      await state.begin(run("r1"));
      await state.checkpoint({ ...none, run: run("r1"), deadLetters: [letter("a"), letter("b")] });
      await state.checkpoint({ ...none, run: run("r1"), deadLetters: [letter("a", "still too long")] });
      expect(await state.deadLetters(10)).toMatchObject([
        { itemId: "a", attempts: 2, reason: "still too long" },
        { itemId: "b", attempts: 1 },
      ]);
      await state.checkpoint({ ...none, run: run("r1"), settled: ["a"] });
      const again = await under.reopen();
      expect((await again.deadLetters(10)).map(({ itemId }) => itemId)).toEqual(["b"]);
      expect(await again.dropDeadLetters(["b", "unknown"])).toBe(1);
      expect(await (await under.reopen()).deadLetters(10)).toEqual([]);
    });
  });
}
