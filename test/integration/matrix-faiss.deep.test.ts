import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { FAISS_INJECTIONS } from "../support/injections.ts";
import { caseName, MATRIX_SIZES, Matrix } from "../support/matrix.ts";
import { SnapshotEditor } from "../support/snapshot-editor.ts";
import { sharedWorld } from "../support/world.ts";

/**
 * Goal: whatever happens to the files of the vector index is found exactly and put right. Method: as in
 * `matrix-redis.deep.test.ts`, with an editor that writes the snapshot of the closed index, the manifest's checksums fixed up
 * where the damage is to pass for a good snapshot. Opening the index takes a while, so `npm run test:deep` makes most injections
 * together.
 */
const shared = sharedWorld({ settings: { batchSize: 500 } });
vi.setConfig({ testTimeout: MATRIX_SIZES === null ? 180_000 : 300_000 });

let matrix: Matrix;
beforeAll(async () => {
  await Matrix.fill(shared.current);
  matrix = new Matrix(shared.current);
}, 300_000);
afterAll(() => {
  process.stdout.write(matrix.table());
});

describe.each(MATRIX_SIZES ?? [])("among 20,000 memories, of %i", (size) => {
  test.each(FAISS_INJECTIONS.map((injection) => [caseName(injection), injection] as const))(
    "%s",
    async (_, injection) => {
      await matrix.prove([injection], size);
    },
  );
});

describe.skipIf(MATRIX_SIZES !== null)("among 20,000 memories", () => {
  test.each([1, 100])("all that versions and checksums show, of %i memories each", async (size) => {
    await matrix.prove(
      FAISS_INJECTIONS.filter(({ scope }) => scope === "full"),
      size,
    );
  });

  test.each([1, 100])("bits of %i vectors that flipped", async (size) => {
    await matrix.prove(
      FAISS_INJECTIONS.filter(({ scope }) => scope === "deep"),
      size,
    );
  });

  test("slots that were marked dead, of 5,000", async () => {
    await matrix.prove(FAISS_INJECTIONS.slice(0, 1), 5_000);
  });
});

test("nothing is left, and nothing is open", async () => {
  await matrix.proveClean();
  await shared.current.connect();
});

test("a flipped bit that the manifest does not vouch for has the snapshot set aside, and the index is whole", async () => {
  const world = shared.current;
  await world.disconnect();
  const editor = new SnapshotEditor(world.directory);
  editor.flipBit("m77", 5);
  editor.save(false);
  await world.connect();
  expect(existsSync(editor.folder)).toBe(false);
  expect(readdirSync(join(world.directory, "snapshots")).filter((name) => name.endsWith(".unreadable"))).toHaveLength(
    1,
  );
  expect(await world.sync.checkConsistency({ scope: "deep", stores: ["faiss"] })).toMatchObject({ clean: true });
});

test("a version that rotted without its digest is found by a deep check, and put right", async () => {
  const world = shared.current;
  await world.disconnect();
  const editor = new SnapshotEditor(world.directory);
  const version = editor.entries().get("m78")?.slot.version as number;
  editor.setVersion("m78", version + 256, true);
  editor.save();
  await world.connect();
  const report = await world.sync.checkConsistency({ scope: "deep", stores: ["faiss"] });
  expect(report.findings).toMatchObject([
    { memoryId: "m78", store: "faiss", kind: "ahead", foundVersion: version + 256 },
  ]);
  expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1 });
  expect(await world.sync.checkConsistency({ scope: "deep", stores: ["faiss"] })).toMatchObject({ clean: true });
});
