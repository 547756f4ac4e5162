import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diagnoseDimension } from "../../src/cli/doctor/vectors.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { sampleDimensions } from "../../src/ledger/embedding-statements.ts";
import { openWorld } from "../support/world.ts";

/** Goal: an index that can hold none of the ledger's vectors is not opened in silence. */

function recordingWarnings() {
  const warnings: { fields: unknown; event: string }[] = [];
  const ignore = (): void => undefined;
  const warn = (fields: object, event: string): void => void warnings.push({ fields, event });
  return { warnings, log: { debug: ignore, info: ignore, warn, error: ignore } };
}

test("a first index whose dimension differs from the ledger's vectors is warned of, with what to do", async (t) => {
  const world = await openWorld(t);
  await world.fill(5);
  const open = async (dimension: number) => {
    const { warnings, log } = recordingWarnings();
    const directory = join(world.directory, randomBytes(4).toString("hex"));
    const faiss = { directory, dimension };
    const sync = await MemorySynchronizer.connect({ ...world.connectOptions, faiss, nodeId: "second", log });
    await sync.close();
    return warnings.filter(({ event }) => event === "store.vectors_do_not_fit").map(({ fields }) => fields);
  };
  expect(await open(16)).toMatchObject([
    { store: "faiss", dimension: 16, found: 8, sampled: 5, advice: expect.stringContaining("Correct the dimension") },
  ]);
  expect(await open(8)).toEqual([]);
});

test("the doctor warns of it too", async (t) => {
  const world = await openWorld(t, { faiss: false });
  expect(await sampleDimensions(world.sql)).toEqual([]);
  expect(diagnoseDimension([], 384)).toMatchObject({ state: "ok" });
  await world.sync.syncBatch(world.memories(3));
  await world.sync.syncMemory("wide", { content: "x", memoryType: "t", embedding: Array(16).fill(1) });
  await world.sync.syncMemory("none", { content: "x", memoryType: "t" });
  const samples = await sampleDimensions(world.sql);
  expect(samples).toEqual([
    { dimension: 8, memories: 3 },
    { dimension: 16, memories: 1 },
  ]);
  expect(diagnoseDimension(samples, 8)).toMatchObject({ check: "faiss.dimension", state: "ok" });
  expect(diagnoseDimension(samples, 384)).toMatchObject({
    state: "warning",
    found: "384, and the ledger's vectors have 8 numbers",
  });
});
