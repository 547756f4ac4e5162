import { expect, test } from "vitest";
import { HubError } from "../../../src/edge/index.ts";
import { edgeWorld, note } from "../../support/edges.ts";

test("a write without a hub is kept, and reaches the hub once it can be reached", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  hub.intercept = () => {
    throw new HubError("SYNC_CONNECTION", "no network");
  };
  await edge.put("m1", note("one"));
  expect(await edge.get("m1")).toMatchObject({ content: "one", status: "pending", version: 0 });
  await expect(edge.syncNow()).rejects.toMatchObject({ code: "SYNC_CONNECTION" });
  expect(await edge.status()).toMatchObject({ mode: "offline", pending: 1, failed: 0 });
  expect((await edge.queue())[0]).toMatchObject({ attempts: 0, lastError: null });
  hub.intercept = () => undefined;
  expect(await edge.syncNow()).toMatchObject({ pushed: 1, failed: 0, pending: 0 });
  expect(hub.get("m1")?.memory).toMatchObject({ content: "one" });
  expect(await edge.get("m1")).toMatchObject({ status: "synced", version: 1 });
  expect(await edge.status()).toMatchObject({ mode: "online", pending: 0, syncedToday: 1 });
});

test("what was downloaded today is what was news here: an echo of what went up is none", async () => {
  const { open } = edgeWorld();
  const [a, b] = [await open(), await open()];
  for (const id of ["m1", "m2"]) await a.put(id, note(id));
  await a.syncNow();
  await b.syncNow();
  expect(await a.status()).toMatchObject({ syncedToday: 2, downloadedToday: 0 });
  expect(await b.status()).toMatchObject({ syncedToday: 0, downloadedToday: 2 });
});

test("a paused edge refuses a sync by hand too, and says so", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("held back"));
  await edge.pause();
  await expect(edge.syncNow()).rejects.toMatchObject({
    code: "CONFIGURATION",
    message: expect.stringMatching(/paused/),
  });
  expect(hub.memories.size).toBe(0);
  await edge.resume();
  expect(await edge.syncNow()).toMatchObject({ pushed: 1 });
});

test("edits of one memory that were never sent are one change", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  for (const content of ["one", "two", "three"]) await edge.put("m1", note(content));
  expect(await edge.queue()).toHaveLength(1);
  await edge.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 1, memory: { content: "three" } });
});

test("a memory that was made and deleted before anything was sent leaves no trace", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  expect(await edge.delete("m1")).toBe(true);
  expect(await edge.queue()).toEqual([]);
  await edge.syncNow();
  expect(hub.get("m1")).toBeUndefined();
  expect(await edge.delete("m1")).toBe(false);
});

test("a change whose answer was lost is sent again as it was, and is applied once; a later edit goes behind it", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  hub.intercept = (step) => {
    if (step === "answered") throw new HubError("SYNC_CONNECTION", "the answer was lost");
  };
  await expect(edge.pushOnce()).rejects.toThrow("the answer was lost");
  await edge.put("m1", note("two"));
  expect(await edge.queue()).toMatchObject([{ status: "sent" }, { status: "pending" }]);
  hub.intercept = () => undefined;
  await edge.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 2, memory: { content: "two" } });
  const keys = hub.seen.map((text) => (JSON.parse(text) as { changes: { key: string }[] }).changes[0]?.key);
  expect(keys[0]).toBe(keys[1]);
  expect(await edge.conflicts({ all: true })).toEqual([]);
  expect(await edge.get("m1")).toMatchObject({ content: "two", version: 2, status: "synced" });
});

test("a kill after sending and before the answer loses and doubles nothing", async () => {
  const { hub, open, folder } = edgeWorld();
  const path = `${folder}/killed.db`;
  const edge = await open({ path });
  await edge.put("m1", note("one"));
  hub.intercept = (step) => {
    if (step === "answered") throw new HubError("SYNC_CONNECTION", "killed");
  };
  await expect(edge.pushOnce()).rejects.toThrow();
  await edge.abandon();
  hub.intercept = () => undefined;
  const again = await open({ path });
  expect(await again.queue()).toMatchObject([{ status: "sent" }]);
  await again.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 1, memory: { content: "one" } });
  expect(await again.get("m1")).toMatchObject({ status: "synced", version: 1 });
});

test("the pull repeats what has no answer before it reads a page", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  hub.intercept = (step) => {
    if (step === "answered") throw new HubError("SYNC_CONNECTION", "lost");
  };
  await expect(edge.pushOnce()).rejects.toThrow();
  const steps: string[] = [];
  hub.intercept = (step) => void steps.push(step);
  await edge.pullOnce();
  expect(steps).toEqual(["push", "answered", "pull"]);
  expect(await edge.conflicts({ all: true })).toEqual([]);
});

test("batches are bounded by count and by bytes, and a large change goes alone", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open({ pushBatchSize: 50, pushBytesMax: 20_000 });
  for (let index = 0; index < 100; index++) await edge.put(`m${index}`, note("x".repeat(300)));
  await edge.put("large", note("y".repeat(50_000)));
  await edge.put("last", note("small"));
  expect(await edge.syncNow()).toMatchObject({ pushed: 102 });
  const sizes = hub.seen.map((text) => (JSON.parse(text) as { changes: unknown[] }).changes.length);
  expect(sizes.every((size) => size <= 50)).toBe(true);
  const alone = hub.seen.find((text) => text.includes("yyyy"));
  expect((JSON.parse(alone ?? "{}") as { changes: unknown[] }).changes).toHaveLength(1);
});

test("a batch that the hub refuses is halved until the change at fault is alone, and only that one fails", async () => {
  const { hub, open } = edgeWorld();
  const refusing = await open({
    hub: (device) => ({
      ...hub.as(device),
      push: async (changes, signal) => {
        if (JSON.stringify(changes).includes("poison")) throw new HubError("SYNC_BATCH", "the request is refused");
        return await hub.as(device).push(changes, signal);
      },
    }),
  });
  for (let index = 0; index < 8; index++) await refusing.put(`r${index}`, note(index === 5 ? "poison" : "fine"));
  await refusing.syncNow();
  expect(await refusing.queue()).toMatchObject([
    { memoryId: "r5", status: "failed", lastError: { code: "SYNC_PAYLOAD" } },
  ]);
  expect(hub.get("r7")?.memory).toMatchObject({ content: "fine" });
});

test("a change that was applied, and whose outcome the hub did not know, is not written over what was made on it", async () => {
  const { hub, open, clock } = edgeWorld();
  let knows = false;
  const edge = await open({
    conflictPolicy: "local_wins",
    hub: (device) => ({
      ...hub.as(device),
      push: async (changes, signal) => {
        const applied = await hub.as(device).push(changes, signal);
        const unknown = { status: "retry", code: "COMMIT_OUTCOME_UNKNOWN", message: "", afterMs: 50 } as const;
        return knows ? applied : { ...applied, answers: applied.answers.map(() => unknown) };
      },
    }),
  });
  await edge.put("m1", note("one"));
  expect(await edge.pushOnce()).toMatchObject({ retry: 1 });
  const other = await open();
  await other.syncNow();
  await other.patch("m1", { content: "made on one" });
  await other.syncNow();
  knows = true;
  await edge.pullOnce();
  clock.advance(400_000);
  await edge.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 2, memory: { content: "made on one" } });
  expect(await edge.get("m1")).toMatchObject({ content: "made on one", status: "synced", version: 2 });
  expect(await edge.conflicts({ all: true })).toEqual([]);
});

test("what was pulled while a change had no answer is decided once the change is answered, also if it was given up meanwhile", async () => {
  const { hub, open, clock } = edgeWorld();
  const edge = await open({ conflictPolicy: "remote_wins" });
  await edge.put("m1", note("one"));
  hub.answerInstead = () => ({ status: "retry", code: "STORE_UNAVAILABLE", message: "not now", afterMs: 50 });
  await edge.pushOnce();
  const rest = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null };
  hub.write("m1", { privacy: "full", content: "theirs", ...rest });
  await edge.pullOnce();
  for (let attempt = 2; attempt <= 5; attempt++) {
    clock.advance(400_000);
    await edge.pushOnce();
  }
  expect(await edge.get("m1")).toMatchObject({ content: "one", status: "failed" });
  hub.answerInstead = () => null;
  await edge.retry();
  await edge.syncNow();
  expect(await edge.get("m1")).toMatchObject({ content: "theirs", status: "synced" });
  expect(await edge.queue()).toEqual([]);
  expect(await edge.conflicts({ all: true })).toMatchObject([{ local: { memory: { content: "one" } } }]);
});

test("attempts count only when the hub answered, and five end a change as failed", async () => {
  const { clock, hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  await edge.put("m2", note("two"));
  hub.answerInstead = ({ memoryId }) =>
    memoryId === "m1" ? { status: "retry", code: "STORE_UNAVAILABLE", message: "not now", afterMs: 50 } : null;
  for (let attempt = 1; attempt <= 4; attempt++) {
    await edge.pushOnce();
    expect((await edge.queue())[0]).toMatchObject({ attempts: attempt, status: "pending" });
    expect(await edge.pushOnce()).toMatchObject({ sent: 0 });
    clock.advance(400_000);
  }
  expect(hub.get("m2")?.memory).toMatchObject({ content: "two" });
  await edge.pushOnce();
  expect(await edge.queue({ errors: true })).toMatchObject([
    { memoryId: "m1", attempts: 5, status: "failed", lastError: { code: "SYNC_RETRIES_EXCEEDED" } },
  ]);
  expect(await edge.get("m1")).toMatchObject({ status: "failed" });
  hub.answerInstead = () => null;
  expect(await edge.retry()).toMatchObject([{ memoryId: "m1", lastError: { code: "SYNC_RETRIES_EXCEEDED" } }]);
  await edge.syncNow();
  expect(hub.get("m1")?.memory).toMatchObject({ content: "one" });
});

test("a refused change fails at once and holds up its own memory alone; a correcting edit takes its place", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  hub.answerInstead = (change) =>
    change.op === "put" && change.memory.importance === 1
      ? { status: "rejected", code: "VALIDATION", message: "too important" }
      : null;
  await edge.put("m1", note("one", { importance: 1 }));
  await edge.put("m2", note("two"));
  await edge.syncNow();
  expect(await edge.queue()).toMatchObject([{ memoryId: "m1", status: "failed", lastError: { code: "VALIDATION" } }]);
  const failedKey = (await edge.queue())[0]?.key ?? "";
  await edge.put("m1", note("one", { importance: 0.9 }));
  const [corrected] = await edge.queue();
  expect(corrected).toMatchObject({ status: "pending", lastError: null });
  expect((corrected?.key ?? "") > failedKey).toBe(true);
  await edge.syncNow();
  expect(hub.get("m1")?.memory).toMatchObject({ importance: 0.9 });
});

test("keys grow, whatever the clock does, and settledThrough stays below every key that is still needed", async () => {
  const { clock, hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  clock.advance(-86_400_000);
  await edge.put("m2", note("two"));
  const [first, second] = await edge.queue();
  expect((second?.key ?? "") > (first?.key ?? "")).toBe(true);
  hub.answerInstead = ({ memoryId }) =>
    memoryId === "m1" ? { status: "rejected", code: "VALIDATION", message: "no" } : null;
  await edge.syncNow();
  await edge.put("m3", note("three"));
  await edge.syncNow();
  const { settledThrough } = JSON.parse(hub.seen.at(-1) ?? "{}") as { settledThrough: string };
  expect(settledThrough < (first?.key ?? "")).toBe(true);
});

test("a change that fails while a later edit waits behind it is replaced by that edit", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("refused"));
  hub.intercept = (step) => {
    if (step === "push") throw new HubError("SYNC_CONNECTION", "no network");
  };
  await expect(edge.pushOnce()).rejects.toThrow();
  await edge.put("m1", note("corrected"));
  hub.intercept = () => undefined;
  hub.answerInstead = (change) =>
    JSON.stringify(change).includes("refused") ? { status: "rejected", code: "VALIDATION", message: "no" } : null;
  await edge.syncNow();
  expect(await edge.queue()).toEqual([]);
  expect(hub.get("m1")).toMatchObject({ version: 1, memory: { content: "corrected" } });
});

test("a deletion of a memory that the hub no longer knows is done with", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  await edge.syncNow();
  hub.memories.clear();
  await edge.delete("m1");
  await edge.syncNow();
  expect(await edge.queue()).toEqual([]);
  expect(await edge.status()).toMatchObject({ failed: 0, memories: 0 });
});
