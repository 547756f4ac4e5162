import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { passes } from "../../src/domain/filter/evaluate.ts";
import { parseFilter } from "../../src/domain/filter/filter.ts";
import type { ChangeEvent, ChangeQuery, Filter } from "../../src/index.ts";
import fc from "../support/properties.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a reader with a filter of memories knows, at each moment, exactly the memories that pass. */

/** Everything behind a cursor, once the feed covers all that is committed. */
async function readAll(world: World, query: ChangeQuery): Promise<{ events: ChangeEvent[]; cursor: string }> {
  const [row] = await world.sql<{ newest: string }[]>`select pg_snapshot_xmax(pg_current_snapshot())::text as newest`;
  const events: ChangeEvent[] = [];
  let next = query;
  await pollUntil("the feed to cover all that is committed", 60_000, async () => {
    const [horizon] = await world.sql<{ covered: boolean }[]>`
      select pg_snapshot_xmin(pg_current_snapshot()) >= ${row?.newest ?? "0"}::text::xid8 as covered`;
    const page = await world.sync.readChanges({ ...next, limit: 3 });
    events.push(...page.events);
    next = { ...query, cursor: page.cursor };
    return page.complete && horizon?.covered === true;
  });
  return { events, cursor: next.cursor as string };
}

const shown = (events: readonly ChangeEvent[]) =>
  events.map(({ kind, memoryId, version }) => `${kind} ${memoryId}@${version}`);

test("a memory that leaves the filter comes as withdrawn, one that enters it as put; others are not told", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const where: Filter = { "metadata.team": { eq: "red" } };
  const put = (number: number, team: string) => world.put(world.memory(number, { metadata: { team } }));
  await put(1, "red");
  await put(2, "blue");
  await put(3, "red");
  const first = await readAll(world, { where });
  expect(shown(first.events)).toEqual(["put m1@1", "put m3@1"]);
  await put(1, "blue");
  await put(2, "red");
  await world.sync.delete("m3");
  await put(4, "blue");
  await world.sync.delete("m4");
  const second = await readAll(world, { where, cursor: first.cursor });
  expect(shown(second.events)).toEqual(["withdrawn m1@2", "put m2@2", "deleted m3@2"]);
  expect(second.events[0]).not.toHaveProperty("memory");
  // Times and ids of older versions are judged as they were.
  const byTime = { modifiedAt: { lte: second.events[0]?.modifiedAt ?? 0 }, memoryId: { prefix: "m" } };
  expect(shown((await readAll(world, { where: byTime })).events)).toContain("put m1@2");
});

test("a cursor is bound to the filter, however its keys are ordered, and refused by name with another one", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const where: Filter = { memoryType: { eq: "episodic" }, importance: { gte: 0.1, lte: 1 } };
  const { cursor } = await world.sync.readChanges({ where });
  const same: Filter = { importance: { lte: 1, gte: 0.1 }, memoryType: { eq: "episodic" } };
  await expect(world.sync.readChanges({ where: same, cursor })).resolves.toMatchObject({ events: [] });
  for (const other of [undefined, { memoryType: { eq: "semantic" } }] as const) {
    await expect(world.sync.readChanges({ where: other, cursor })).rejects.toThrow(
      /cursor: belongs to another filter: give the filter.*where/,
    );
  }
  // An empty filter is none.
  const whole = await world.sync.readChanges({ where: {} });
  await expect(world.sync.readChanges({ cursor: whole.cursor })).resolves.toMatchObject({ events: [] });
  const flawed = { memoryTyp: { eq: "x" } } as unknown as Filter;
  await expect(world.sync.readChanges({ where: flawed })).rejects.toThrow(/where.memoryTyp: is no field of a filter/);
  expect(() => world.sync.changes({ where: flawed })).toThrow(/where.memoryTyp/);
  const large: Filter = { memoryId: { in: Array.from({ length: 20 }, () => "x".repeat(1_000)) } };
  await expect(world.sync.readChanges({ where: large })).rejects.toThrow(/where: has 2\d{4} characters as JSON/);
});

test("a redacted memory answers no question about its metadata, and is withdrawn when it becomes one", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const put = (privacy: "full" | "redacted" | "local_only", salary: number) =>
    world.put(world.memory(1, { privacy, metadata: { salary } }));
  const where: Filter = { "metadata.salary": { gt: 100 } };
  await put("redacted", 200);
  const before = await readAll(world, { where });
  expect(before.events).toEqual([]);
  expect(shown((await readAll(world, { where, includeLocal: true })).events)).toEqual(["put m1@1"]);
  expect(shown((await readAll(world, { where: { not: where } })).events)).toEqual(["put m1@1"]);
  await put("full", 300);
  const seen = await readAll(world, { where, cursor: before.cursor });
  expect(shown(seen.events)).toEqual(["put m1@2"]);
  await put("redacted", 300);
  const left = await readAll(world, { where, cursor: seen.cursor });
  expect(shown(left.events)).toEqual(["withdrawn m1@3"]);
  // By its name: a time or a cursor may hold the digits of the value.
  expect(JSON.stringify(seen.events)).toContain("salary");
  expect(JSON.stringify(left.events)).not.toContain("salary");
});

test("a selective filter gets past more memories than one page looks at", async (t) => {
  const world = await openWorld(t, { faiss: false });
  for (let start = 0; start < 1_500; start += 500) await world.sync.syncBatch(world.memories(500, start));
  await world.put(world.memory(9_999, { memoryType: "rare" }));
  const { events } = await readAll(world, { where: { memoryType: { eq: "rare" } } });
  expect(shown(events)).toEqual(["put m9999@1"]);
});

test("after any writes, a reader that stops and goes on knows exactly the memories that pass", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const write = fc.record({
    number: fc.integer({ min: 0, max: 5 }),
    what: fc.constantFrom("red", "blue", "delete"),
    privacy: fc.constantFrom("full", "redacted", "local_only"),
    importance: fc.constantFrom(0.1, 0.9),
    reads: fc.boolean(),
  });
  const where: Filter = { or: [{ "metadata.team": { eq: "red" } }, { importance: { gt: 0.5 } }] };
  const condition = parseFilter(where);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 25 }), async (writes) => {
      const namespace = `run-${run++}`;
      const known = new Map<string, string>();
      const take = (events: readonly ChangeEvent[]): void => {
        for (const event of events) {
          if (event.kind === "put") known.set(event.memoryId, event.memory.content ?? "(redacted)");
          else known.delete(event.memoryId);
        }
      };
      let query: ChangeQuery = { where, namespaces: [namespace] };
      const read = async (): Promise<void> => {
        const { events, cursor } = await readAll(world, query);
        take(events);
        query = { ...query, cursor };
      };
      for (const [index, { number, what, privacy, importance, reads }] of writes.entries()) {
        if (what === "delete") await world.sync.delete(`m${number}`, { namespace });
        else {
          const fields = { metadata: { team: what }, privacy, importance, content: `content ${index}` } as const;
          await world.put({ ...world.memory(number, fields), namespace });
        }
        if (reads) await read();
      }
      await read();
      const expected = new Map<string, string>();
      for (let number = 0; number <= 5; number++) {
        const memory = await world.sync.get(`m${number}`, { namespace });
        if (memory === null || memory.privacy === "local_only") continue;
        const isRedacted = memory.privacy === "redacted";
        const subject = { ...memory, modifiedAt: 0, metadata: isRedacted ? {} : memory.metadata };
        if (!passes(condition, subject)) continue;
        expected.set(memory.memoryId, isRedacted ? "(redacted)" : memory.content);
      }
      expect(Object.fromEntries([...known].sort())).toEqual(Object.fromEntries([...expected].sort()));
    }),
    { numRuns: 15, seed: 14 },
  );
});
