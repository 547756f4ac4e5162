import { afterAll, beforeAll, describe, test, vi } from "vitest";
import { POSTGRES_INJECTIONS } from "../support/injections.ts";
import { caseName, MATRIX_SIZES, Matrix } from "../support/matrix.ts";
import { sharedWorld } from "../support/world.ts";

/**
 * Goal: damage in the ledger's own rows is found exactly and mended from the copy that fits. Method: as in
 * `matrix-redis.deep.test.ts`, with plain SQL; all of it needs a deep check, so `npm run test:deep` makes the injections together.
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
  test.each(POSTGRES_INJECTIONS.map((injection) => [caseName(injection), injection] as const))(
    "%s",
    async (_, injection) => {
      await matrix.prove([injection], size);
    },
  );
});

describe.skipIf(MATRIX_SIZES !== null)("among 20,000 memories", () => {
  test.each([1, 100])("documents, vectors and rows of %i memories each", async (size) => {
    await matrix.prove(POSTGRES_INJECTIONS, size);
  });
});

test("nothing is left, and nothing is open", async () => {
  await matrix.proveClean();
});
