import { expect, test } from "vitest";
import { HubError } from "../../../src/edge/index.ts";
import { Pushes } from "../../../src/edge/sync/pushes.ts";
import type { SyncingOptions } from "../../../src/edge/sync/results.ts";
import { edgeWorld, note } from "../../support/edges.ts";

/** Goal: several requests under way at once keep every promise of one after the other. */

/** Lets the hub hold requests until the test lets them go. */
function holding() {
  const held: (() => void)[] = [];
  const hold = (): Promise<void> => new Promise((resolve) => void held.push(resolve));
  const letGo = (): void => {
    for (const go of held.splice(0)) go();
  };
  return { held, hold, letGo };
}

test("a drain has several batches under way, never two with changes of one memory, and none twice", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open({ pushBatchSize: 10 });
  for (let index = 0; index < 50; index++) await edge.put(`m${index}`, note(`first ${index}`));
  const { held, hold, letGo } = holding();
  hub.intercept = async (step) => {
    if (step === "push") await hold();
  };
  const syncing = edge.syncNow();
  await expect.poll(() => held.length).toBe(1);
  // Edited while it is under way: the edit stands behind, and waits.
  await edge.put("m0", note("second 0"));
  letGo();
  await expect.poll(() => held.length).toBe(3);
  const letting = setInterval(letGo, 1);
  try {
    expect(await syncing).toMatchObject({ pushed: 51, failed: 0, conflicts: 0, pending: 0 });
  } finally {
    clearInterval(letting);
  }
  const pushes = hub.seen.map((text) => (JSON.parse(text) as { changes: { key: string; memoryId: string }[] }).changes);
  const keys = pushes.flatMap((changes) => changes.map(({ key }) => key));
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toHaveLength(51);
  expect(hub.get("m0")).toMatchObject({ version: 2, memory: { content: "second 0" } });
});

test("a lane that fails ends the drain once the others are through, and what had no answer is repeated as it was", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open({ pushBatchSize: 10 });
  for (let index = 0; index < 60; index++) await edge.put(`m${index}`, note(`n${index}`));
  let pushes = 0;
  hub.intercept = (step) => {
    // Applied, and the answer is lost.
    if (step === "answered" && ++pushes === 3) throw new HubError("SYNC_CONNECTION", "the answer was lost");
  };
  await expect(edge.syncNow()).rejects.toMatchObject({ code: "SYNC_CONNECTION" });
  hub.intercept = () => undefined;
  await edge.syncNow();
  for (let index = 0; index < 60; index++) expect(hub.get(`m${index}`)?.version).toBe(1);
  expect(await edge.status()).toMatchObject({ pending: 0, failed: 0, conflicts: 0 });
});

test("no batch raises settledThrough over a change that is under way in another one", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open({ pushBatchSize: 5 });
  for (let index = 0; index < 40; index++) await edge.put(`m${index}`, note(`n${index}`));
  await edge.syncNow();
  const pushes = hub.seen.map(
    (text) => JSON.parse(text) as { settledThrough: string | null; changes: { key: string }[] },
  );
  expect(pushes).toHaveLength(8);
  for (const [place, { settledThrough }] of pushes.entries()) {
    const later = pushes.slice(place).flatMap(({ changes }) => changes.map(({ key }) => key));
    expect(later.every((key) => settledThrough === null || key > settledThrough)).toBe(true);
  }
});

test("a pull does not wait for a push that is under way, and repeats one whose answer was lost", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  const { held, hold, letGo } = holding();
  hub.intercept = async (step) => {
    if (step === "push") await hold();
  };
  const pushing = edge.pushOnce();
  await expect.poll(() => held.length).toBe(1);
  expect(await edge.pullOnce()).toMatchObject({ changes: 0 });
  letGo();
  expect(await pushing).toMatchObject({ applied: 1 });
  hub.intercept = (step) => {
    if (step === "answered") throw new HubError("SYNC_CONNECTION", "the answer was lost");
  };
  await edge.put("m1", note("two"));
  await expect(edge.pushOnce()).rejects.toMatchObject({ code: "SYNC_CONNECTION" });
  hub.intercept = () => undefined;
  await edge.pullOnce();
  expect(await edge.status()).toMatchObject({ pending: 0 });
  expect(hub.get("m1")?.version).toBe(2);
});

test("a sync that is aborted ends its own wait for the hub, and fails no other call", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  const { held, hold, letGo } = holding();
  hub.intercept = async (step) => {
    if (step === "identify") await hold();
  };
  const stopping = new AbortController();
  const aborted = edge.pullOnce({ signal: stopping.signal });
  const pushing = edge.pushOnce();
  await expect.poll(() => held.length).toBe(1);
  stopping.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  letGo();
  expect(await pushing).toMatchObject({ applied: 1 });
  expect(held).toHaveLength(0);
});

/** Pushes of an outbox that has one change for each of `batches` batches. */
function pushesOf(batches: number): Pushes {
  let frozen = 0;
  const batch = (key: string) => ({ changes: [{ key }], more: false, device: "d", epoch: "e" });
  const options = {
    port: {
      freezeBatch: async () => (frozen < batches ? batch(`k${++frozen}`) : null),
      recordAnswers: async () => {
        return { applied: 1, conflicts: 0, failed: 0, retry: 0, lagMs: 0, notices: [], epoch: "e", batch: null };
      },
    },
    link: {
      bounds: null,
      meet: async () => ({ pushChangesMax: 10, pushBytesMax: 1_000 }),
      call: async () => ({ epoch: "e", answers: [{}] }),
    },
    settings: { pushBatchSize: 10, pushBytesMax: 1_000 },
    now: () => 0,
    onNotices: () => undefined,
    onPushed: () => undefined,
  };
  return new Pushes(options as unknown as SyncingOptions);
}

test("a drain says that there is more where a lane used up its batches, and not where nothing was due", async () => {
  const { signal } = new AbortController();
  const always = async (): Promise<boolean> => true;
  expect(await pushesOf(3).drain(signal, always)).toMatchObject({ sent: 3, more: false });
  const endless = pushesOf(Number.POSITIVE_INFINITY);
  expect(await endless.drain(signal, always)).toMatchObject({ sent: 10_000, applied: 10_000, more: true });
  expect(await endless.drain(signal, async () => false)).toMatchObject({ sent: 0, more: false });
});
