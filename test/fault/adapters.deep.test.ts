import { mkdir, rm } from "node:fs/promises";
import { Document } from "@langchain/core/documents";
import { index } from "@langchain/core/indexing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MnemosyncRecordManager, MnemosyncVectorStore } from "../../src/adapters/langchain/index.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import type { ConnectOptions, MemorySynchronizer } from "../../src/index.ts";
import type { WriteStep } from "../../src/write/write-step.ts";
import { type Adapted, adapted, DIMENSION, foundOf, KINDS, KnownEmbeddings, textOf } from "../support/adapted.ts";
import { runAdapterUntilCrash } from "../support/crash-run.ts";
import { feedShown } from "../support/feed-shown.ts";
import { loseVectors } from "../support/lost-vectors.ts";
import { openWorld, type World, type WorldOptions } from "../support/world.ts";

/**
 * Goal: what the comparison with other memories (`bench/peers`, scenario `peer-faults`) does to each of them, done through LangGraph and
 * LangChain, ends as well as without them. Method: the same faults on both adapters, over real stores; then each item is searched for, and
 * all stores are compared.
 */

vi.setConfig({ testTimeout: 400_000 });

const ALL = Array.from({ length: 40 }, (_, number) => number);
const FAISS = { faiss: { dimension: DIMENSION } };
/** A killed writer's transaction is overdue at once, so that others take it over. */
const SOON: WorldOptions = { ...FAISS, settings: { publishDeadlineMs: 100 } };

/** The options of a synchronizer of this world, for a process of its own. */
function plainOptions({ connectOptions }: World): ConnectOptions {
  const { onStep: _step, onIndexProgress: _progress, ...options } = connectOptions;
  return options;
}

/** Waits until nothing is left to be done behind the writes. */
async function settle({ sync, sql }: World): Promise<void> {
  await pollUntil("the backlog to be empty", 60_000, async () => {
    await sync.backlog.drain();
    const unmarked = await sql`select 1 from mnemosync.sync_transactions where state = 'committed'`;
    return unmarked.length === 0 && (await sync.status()).backlog.pending === 0;
  });
}

async function expectWhole(sync: MemorySynchronizer, items: Adapted, numbers: readonly number[]): Promise<void> {
  expect(await foundOf(items, numbers)).toEqual(numbers);
  expect(await sync.count({ namespace: items.namespace })).toMatchObject({ count: numbers.length });
  expect((await sync.checkConsistency({ scope: "deep", resume: false })).findings).toEqual([]);
  expect((await sync.status()).stores.faiss?.memories).toBe(numbers.length);
}

describe.each(KINDS)("%s", (kind) => {
  test.each(["locked", "committed"] as const)(
    "killed amid a write (%s): what was answered is found by the next process, and nothing is there by half",
    async (point) => {
      const world = await openWorld({ onTestFinished }, SOON);
      await world.disconnect(); // The child is to have the index's folder.
      const order = { options: plainOptions(world), kind, point, batches: 3, size: 10 };
      expect(await runAdapterUntilCrash(order)).toEqual([0, 1]);
      await feedShown(world);
      const sync = await world.connect();
      await settle(world);
      // Before the commit there is nothing of the last batch; behind it all of it is there, though nobody was told.
      await expectWhole(sync, adapted(kind, sync), ALL.slice(0, point === "locked" ? 20 : 30));
    },
  );

  test("a restart, a lost folder and vectors that are lost from the running index: all is found, or proven and repaired", async () => {
    const world = await openWorld({ onTestFinished }, { ...FAISS, clients: "own" });
    await adapted(kind, world.sync).put(ALL);
    await feedShown(world);
    await expectWhole(await world.restart(), adapted(kind, world.sync), ALL);
    await world.disconnect();
    await rm(world.directory, { recursive: true });
    await mkdir(world.directory);
    await expectWhole(await world.connect(), adapted(kind, world.sync), ALL);

    const items = adapted(kind, world.sync);
    expect(await loseVectors(world.index)).toHaveLength(ALL.length);
    await items.put(ALL); // Nothing changed, so nothing is written: the loss is for the check to find.
    const report = await world.sync.checkConsistency({ resume: false });
    expect(report.findings).toHaveLength(ALL.length);
    expect(new Set(report.findings.map((finding) => `${finding.store} ${finding.kind}`))).toEqual(
      new Set(["faiss missing"]),
    );
    await world.sync.repairInconsistencies(report);
    await expectWhole(world.sync, items, ALL);
  });

  test("a store that fails amid a write, whose write is then made again: all stores agree, and each item is there once", async () => {
    const fault: { step: (step: WriteStep) => Promise<void> } = { step: async () => undefined };
    const once = (reached: WriteStep, work: () => Promise<unknown>) => {
      let isDone = false;
      return async (step: WriteStep): Promise<void> => {
        if (step !== reached || isDone) return;
        isDone = true;
        await work();
      };
    };
    const settings = { onStep: (step: WriteStep) => fault.step(step), retryDelayMs: 1 };
    const world = await openWorld({ onTestFinished }, { ...FAISS, clients: "own", ownRedis: true, settings });
    const items = adapted(kind, world.sync);
    const [first, second] = [ALL.slice(0, 20), ALL.slice(20)];
    fault.step = once("committed", () => world.redis.config("SET", "maxmemory", "1"));
    await items.put(first); // Written, and the backlog's.
    expect((await world.sync.status()).backlog.pending).toBeGreaterThan(0);
    await world.redis.config("SET", "maxmemory", "0");
    await settle(world);
    await items.put(first);
    await expectWhole(world.sync, items, first);

    fault.step = once("committed", async () => process.kill(world.index.hostPid as number, "SIGKILL"));
    await items.put(second);
    await settle(world);
    await items.put(second);
    await expectWhole(world.sync, items, ALL);
  });

  test("embedded anew, changed in nested data alone, and deleted after an update: no vector and no value of before is left", async () => {
    const world = await openWorld({ onTestFinished }, FAISS);
    const [before, after] = [adapted(kind, world.sync), adapted(kind, world.sync, "two")];
    await before.put(ALL);
    await after.put(ALL); // The same texts, and vectors of another model.
    await expectWhole(world.sync, after, ALL);
    expect(await foundOf(before, ALL)).toEqual([]);
    expect((await after.nearest(7))?.mood).toBe("calm");
    await after.put(ALL, "cross");
    const moods = await Promise.all(ALL.map(async (number) => (await after.nearest(number))?.mood));
    expect(new Set(moods)).toEqual(new Set(["cross"]));
    await after.remove(ALL);
    await expectWhole(world.sync, after, []);
    expect(await after.nearest(7)).toBeNull();
  });
});

test("LangChain's index(), killed between documents and their keys: the next run makes all whole, and the one after skips all", async () => {
  const world = await openWorld({ onTestFinished }, SOON);
  await world.disconnect();
  const order = { options: plainOptions(world), kind: "index" as const, point: "between", batches: 3, size: 10 };
  await runAdapterUntilCrash(order);
  await feedShown(world);
  const sync = await world.connect();
  await settle(world);
  expect(await sync.count({ namespace: "langchain" })).toMatchObject({ count: 30 });
  const vectorStore = new MnemosyncVectorStore(new KnownEmbeddings("one"), { sync, namespace: "langchain" });
  const recordManager = new MnemosyncRecordManager({ sync });
  expect(await recordManager.listKeys()).toHaveLength(20);
  const docsSource = ALL.slice(0, 30).map(
    (number) => new Document({ pageContent: textOf(number), metadata: { source: "notes" } }),
  );
  const run = async () => await index({ docsSource, recordManager, vectorStore, options: { batchSize: 10 } });
  expect(await run()).toMatchObject({ numAdded: 10, numSkipped: 20 });
  expect(await run()).toMatchObject({ numAdded: 0, numSkipped: 30 });
  const found = await Promise.all(
    docsSource.map(async ({ pageContent }) => (await vectorStore.similaritySearch(pageContent, 1))[0]?.pageContent),
  );
  expect(found).toEqual(docsSource.map(({ pageContent }) => pageContent));
  expect(await sync.count({ namespace: "langchain" })).toMatchObject({ count: 30 });
  expect((await sync.checkConsistency({ scope: "deep", resume: false })).findings).toEqual([]);
});
