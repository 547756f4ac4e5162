import { expect, test } from "vitest";
import { HubError } from "../../../src/edge/index.ts";
import { edgeWorld, note } from "../../support/edges.ts";

test("local_only never leaves, and redacted leaves without content, metadata and vector", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("private", note("words of the diary", { privacy: "local_only" }));
  await edge.put(
    "half",
    note("words of the half", { privacy: "redacted", metadata: { key: "hidden" }, embedding: [1, 2] }),
  );
  expect(await edge.queue()).toMatchObject([{ memoryId: "half" }]);
  await edge.syncNow();
  const seen = hub.seen.join();
  for (const words of ["diary", "private", "words of", "hidden"]) expect(seen).not.toContain(words);
  expect(hub.get("half")?.memory).toEqual({ privacy: "redacted", memoryType: "note", importance: 0.5 });
  expect(await edge.get("private")).toMatchObject({ status: "local_only" });
  expect(await edge.get("half")).toMatchObject({
    content: "words of the half",
    metadata: { key: "hidden" },
    status: "synced",
  });
});

test("a redacted echo, and a redacted edit of another device, never take the content of its holder", async () => {
  const { hub, open, clock } = edgeWorld();
  const [holder, other] = [await open(), await open()];
  await holder.put("m1", note("the content", { privacy: "redacted", metadata: { a: 1 } }));
  await holder.syncNow();
  await other.syncNow();
  expect(await other.get("m1")).toMatchObject({ content: "", withheld: true });
  await expect(other.put("m1", note("over it"))).rejects.toMatchObject({ code: "SYNC_PAYLOAD" });
  await expect(other.patch("m1", { content: "over it" })).rejects.toMatchObject({ code: "SYNC_PAYLOAD" });
  await expect(other.patch("m1", { privacy: "full" })).rejects.toMatchObject({ code: "SYNC_PAYLOAD" });
  clock.advance(1_000);
  await other.patch("m1", { importance: 0.9 });
  await other.syncNow();
  await holder.syncNow();
  expect(await holder.get("m1")).toMatchObject({ content: "the content", metadata: { a: 1 }, importance: 0.9 });
  expect(hub.get("m1")?.memory).toMatchObject({ importance: 0.9 });
  expect(hub.seen.join()).not.toContain("the content");
});

test("raising the privacy of what was sent withdraws it, from the hub and from other devices", async () => {
  const { hub, open } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("too much said"));
  await a.syncNow();
  await b.syncNow();
  await a.patch("m1", { privacy: "local_only" });
  await a.syncNow();
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ memory: null, endedBy: "withdrawn" });
  expect(await b.get("m1")).toBeNull();
  expect(await a.get("m1")).toMatchObject({ content: "too much said", status: "local_only" });
  await a.patch("m1", { privacy: "full", content: "all right" });
  await a.syncNow();
  await b.syncNow();
  expect(await b.get("m1")).toMatchObject({ content: "all right" });
});

test("full to redacted: a withdrawal, then the redacted form", async () => {
  const { hub, open } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("too much said"));
  await a.syncNow();
  await b.syncNow();
  await a.patch("m1", { privacy: "redacted", importance: 0.8 });
  expect(await a.queue()).toMatchObject([{ op: "withdraw" }, { op: "put" }]);
  await a.syncNow();
  await a.syncNow();
  await b.syncNow();
  expect(hub.get("m1")?.memory).toEqual({ privacy: "redacted", memoryType: "note", importance: 0.8 });
  expect(await b.get("m1")).toMatchObject({ content: "", withheld: true, importance: 0.8 });
  expect(await a.get("m1")).toMatchObject({ content: "too much said", status: "synced" });
});

test("privacy that is raised while a sent change has no answer takes that change along: it is not repeated", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("too much said"));
  hub.intercept = (step) => {
    if (step === "push") throw new HubError("SYNC_CONNECTION", "nothing went out");
  };
  await expect(edge.pushOnce()).rejects.toThrow();
  await edge.patch("m1", { privacy: "local_only" });
  expect(await edge.queue()).toMatchObject([{ op: "withdraw" }]);
  hub.intercept = () => undefined;
  await edge.syncNow();
  expect(hub.seen.join()).not.toContain("too much said");
  expect(hub.get("m1")?.memory ?? null).toBeNull();
});

test("a withdrawal wins over an edit that another device has not sent: that edit is kept among its conflicts", async () => {
  const { open } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("shared"));
  await a.syncNow();
  await b.syncNow();
  await b.patch("m1", { content: "edited by b" });
  await a.patch("m1", { privacy: "local_only" });
  await a.syncNow();
  await b.syncNow();
  expect(await b.get("m1")).toBeNull();
  expect(await b.queue()).toEqual([]);
  expect(await b.conflicts({ all: true })).toMatchObject([
    { resolution: "remote", local: { memory: { content: "edited by b" } } },
  ]);
  await a.syncNow();
  expect(await a.get("m1")).toMatchObject({ content: "shared", status: "local_only" });
});

test("an id that another device withdrew is written anew: the edit ends among the conflicts, and is not pushed for ever", async () => {
  const { hub, open } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("shared"));
  await a.syncNow();
  await b.syncNow();
  await a.patch("m1", { privacy: "local_only" });
  await a.syncNow();
  await b.syncNow();
  await b.put("m1", note("anew, by b"));
  await b.syncNow();
  const sent = hub.seen.length;
  await b.syncNow();
  expect(hub.seen.length).toBe(sent);
  expect(hub.get("m1")).toMatchObject({ endedBy: "withdrawn", memory: null });
  const kept = [...(await b.queue()), ...(await b.conflicts({ all: true }))];
  expect(kept).toMatchObject([{ memoryId: "m1" }]);
});
