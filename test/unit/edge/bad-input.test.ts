import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { type EdgeStore, HubError } from "../../../src/edge/index.ts";
import { edgeWorld, note } from "../../support/edges.ts";
import { SmallDisk } from "../../support/small-disk.ts";

/** Goal: each thing that can be wrong around an edge is a named error or a named state, and no edit is lost by it. */

const YEAR_MS = 365 * 86_400_000;

test("a full disk: the write is refused by its name, what was written before is there, and writing goes on with room", async (t) => {
  const disk = SmallDisk.mount((line) => process.stderr.write(`${line}\n`));
  if (disk === null) return t.skip();
  t.onTestFinished(() => disk.unmount());
  const { hub, open } = edgeWorld();
  const path = `${disk.folder}/edge.db`;
  const edge = await open({ path });
  await edge.put("before", note("kept"));
  disk.fill();
  const written: string[] = [];
  let refusal: unknown = null;
  for (let index = 0; refusal === null && index < 1_000; index++) {
    await edge.put(`m${index}`, note("x".repeat(2_000))).then(
      () => written.push(`m${index}`),
      (error: unknown) => {
        refusal = error;
      },
    );
  }
  expect(refusal).toMatchObject({ code: "EDGE_FILE", problem: "disk_full", retryable: true });
  expect((refusal as Error).message).toContain("free some space");
  expect(await edge.get("before")).toMatchObject({ content: "kept" });
  // Neither a memory without its change nor a change without its memory.
  expect(await edge.get(`m${written.length}`)).toBeNull();
  expect((await edge.status()).pending).toBe(written.length + 1);
  disk.makeRoom();
  await edge.put("after", note("goes on"));
  expect(await edge.syncNow()).toMatchObject({ pushed: written.length + 2, failed: 0, pending: 0 });
  for (const memoryId of ["before", ...written, "after"]) expect(hub.get(memoryId)?.version).toBe(1);
  expect((await edge.doctor()).checks).toContainEqual(expect.objectContaining({ name: "file", state: "ok" }));
});

test("a full disk while a page is applied: the page counts as not read, and is read again with room", async (t) => {
  const disk = SmallDisk.mount((line) => process.stderr.write(`${line}\n`));
  if (disk === null) return t.skip();
  t.onTestFinished(() => disk.unmount());
  const { hub, open } = edgeWorld();
  const edge = await open({ path: `${disk.folder}/edge.db` });
  await edge.syncNow();
  const memory = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null, privacy: "full" } as const;
  for (let index = 0; index < 100; index++) hub.write(`m${index}`, { ...memory, content: `${index}`.repeat(5_000) });
  disk.fill();
  await expect(edge.syncNow()).rejects.toMatchObject({ code: "EDGE_FILE", problem: "disk_full" });
  expect((await edge.list()).memories).toEqual([]);
  disk.makeRoom();
  expect(await edge.syncNow()).toMatchObject({ pulled: 100 });
  expect((await edge.list({ limit: 1_000 })).memories).toHaveLength(100);
});

test("a clock that is years ahead decides nothing, holds nothing back, and is named by the doctor", async () => {
  const { clock, hub, open } = edgeWorld();
  let aheadMs = 5 * YEAR_MS;
  const ahead = await open({}, { now: () => clock.ms + aheadMs });
  const other = await open();
  await ahead.put("early", note("written before the hub was met", { expiresAt: new Date(clock.ms + YEAR_MS) }));
  await ahead.put("shared", note("of the one ahead"));
  await ahead.syncNow();
  expect(hub.get("early")?.modifiedAt).toBe(clock.ms);
  await other.syncNow();
  clock.advance(10_000);
  await ahead.patch("shared", { content: "older" });
  clock.advance(10_000);
  await other.patch("shared", { content: "newer" });
  await other.syncNow();
  await ahead.syncNow();
  await other.syncNow();
  for (const edge of [ahead, other]) expect(await edge.get("shared")).toMatchObject({ content: "newer" });
  // It has ended by this device's clock, and not by the hub's.
  expect(await ahead.get("early")).toMatchObject({ content: "written before the hub was met" });
  expect((await ahead.doctor()).checks).toContainEqual(
    expect.objectContaining({ name: "clock", state: "warning", message: expect.stringContaining("ahead of") }),
  );
  // A failure whose wait ends in years, and a lease until then; then the clock is put right.
  hub.intercept = () => {
    throw new HubError("SYNC_CONNECTION", "away");
  };
  await ahead.put("late", note("before the clock was put right"));
  await expect(ahead.syncNow()).rejects.toMatchObject({ code: "SYNC_CONNECTION" });
  hub.intercept = () => undefined;
  aheadMs = 0;
  await ahead.put("later", note("after it"));
  expect(await ahead.syncNow()).toMatchObject({ pending: 0, failed: 0 });
  for (const memoryId of ["late", "later"]) expect(hub.get(memoryId)?.modifiedAt).toBe(clock.ms);
});

test("a misspelt setting is refused by its name", async () => {
  const { open } = edgeWorld();
  const opening = open({ pushBatchsize: 10 } as object);
  await expect(opening).rejects.toMatchObject({
    code: "CONFIGURATION",
    message: expect.stringContaining("edge.pushBatchsize"),
  });
});

test("a namespace that the key is not bound to is named by the doctor: nothing of it would ever come", async () => {
  const { hub, open } = edgeWorld();
  hub.namespaces = ["default"];
  const edge = await open({ namespaces: ["default", "work"] });
  const named = () => edge.doctor().then(({ checks }) => checks.find(({ name }) => name === "hub"));
  expect(await named()).toMatchObject({ state: "warning", message: expect.stringContaining("not bound to work") });
  hub.namespaces = null;
  expect(await named()).toMatchObject({ state: "ok" });
});

test("a revoked key or device: the mode is `refused` with the reason, edits are kept, and go out once it is admitted", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("kept"));
  for (const code of ["UNAUTHENTICATED", "DEVICE_REVOKED", "FORBIDDEN"] as const) {
    hub.intercept = () => {
      throw new HubError(code, `refused with ${code}`);
    };
    await expect(edge.syncNow()).rejects.toMatchObject({ code });
    expect(await edge.status()).toMatchObject({ mode: "refused", pending: 1, failed: 0 });
    expect((await edge.status()).reason).toContain("refused with");
    await edge.put(code, note("written meanwhile"));
    hub.intercept = () => undefined;
    expect(await edge.syncNow()).toMatchObject({ failed: 0, pending: 0 });
    await edge.put("m1", note(`edited after ${code}`));
  }
  expect(hub.get("m1")?.version).toBe(3);
});

test("a memory over the hub's limits fails alone with the hub's reason, and a smaller edit takes its place", async () => {
  const { hub, open } = edgeWorld();
  hub.answerInstead = ({ op, ...change }) => {
    const memory = op === "put" ? (change as { memory: { content?: string } }).memory : null;
    const isTooLong = (memory?.content?.length ?? 0) > 100;
    return isTooLong
      ? { status: "rejected", code: "VALIDATION", message: "content: has 101 bytes, and 100 are the limit" }
      : null;
  };
  const edge = await open();
  await edge.put("long", note("x".repeat(101)));
  await edge.put("short", note("fits"));
  expect(await edge.syncNow()).toMatchObject({ pushed: 1, failed: 1 });
  expect(await edge.queue({ errors: true })).toMatchObject([
    {
      memoryId: "long",
      status: "failed",
      lastError: { code: "VALIDATION", message: expect.stringContaining("100 are the limit") },
    },
  ]);
  expect(await edge.get("long")).toMatchObject({ status: "failed", content: "x".repeat(101) });
  await edge.put("long", note("shorter"));
  expect(await edge.syncNow()).toMatchObject({ pushed: 1, failed: 0, pending: 0 });
});

test("a kill at each step of a pull: what was applied stays, the rest is read again, and nothing is doubled", async () => {
  const memory = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null, privacy: "full" } as const;
  for (const killedAt of ["first request", "page ahead", "between pages"] as const) {
    const { clock, hub, open, folder } = edgeWorld();
    for (let index = 0; index < 25; index++) hub.write(`m${index}`, { ...memory, content: `n${index}` });
    const path = `${folder}/edge.db`;
    const edge = await open({ path, pullPageSize: 10 });
    await edge.put("own", note("unsent"));
    let pulls = 0;
    const killed = new Promise<void>((resolve) => {
      hub.intercept = async (step) => {
        if (step !== "pull") return;
        pulls++;
        const isNow = killedAt === "first request" ? pulls === 1 : pulls === 2;
        if (!isNow) return;
        if (killedAt === "between pages") await untilApplied(edge);
        await edge.abandon();
        resolve();
        await new Promise(() => undefined); // Its process is gone.
      };
    });
    edge.syncNow().catch(() => undefined);
    await killed;
    hub.intercept = () => undefined;
    clock.advance(20_000); // The lease of a process that is not heard of.
    const again = await open({ path, pullPageSize: 10 });
    await again.syncNow();
    expect((await again.list({ limit: 1_000 })).memories).toHaveLength(26);
    expect(await again.status()).toMatchObject({ pending: 0, failed: 0, conflicts: 0 });
    expect(hub.get("own")?.version).toBe(1);
    expect(await again.conflicts({ all: true })).toEqual([]);
    expect(existsSync(`${path}.conflicts`) ? readdirSync(`${path}.conflicts`) : []).toEqual([]);
  }
});

async function untilApplied(edge: EdgeStore): Promise<void> {
  await expect.poll(async () => (await edge.list({ limit: 1_000 })).memories.length).toBe(11);
}

test("limits of lists, of the queue and of conflicts are checked, and named", async () => {
  const { open } = edgeWorld();
  const edge = await open();
  for (const limit of [0, 1_001, 1.5, Number.NaN]) {
    for (const ask of [edge.queue({ limit }), edge.conflicts({ limit }), edge.list({ limit })]) {
      await expect(ask).rejects.toMatchObject({ code: "VALIDATION", path: "limit" });
    }
    await expect(edge.search("word", { k: limit })).rejects.toMatchObject({ code: "VALIDATION", path: "k" });
  }
});
