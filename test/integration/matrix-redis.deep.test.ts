import { afterAll, beforeAll, describe, test, vi } from "vitest";
import { REDIS_INJECTIONS } from "../support/injections.ts";
import { caseName, MATRIX_SIZES, Matrix } from "../support/matrix.ts";
import { sharedWorld } from "../support/world.ts";

/**
 * Goal: whatever happens to Redis behind the synchronizer's back is found exactly and put right, be it one memory of
 * 20,000 or a quarter of them. Method: plain Redis commands; findings compared one by one; bytes of what was lost, and
 * of what stands in the stores afterwards, read by hand.
 *
 * `npm run matrix` makes every injection at 1, 100 and 5,000 memories; `MNEMOSYNC_MATRIX_SIZES=1,2000` chooses others.
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

const alone = REDIS_INJECTIONS.filter(({ scope }) => MATRIX_SIZES !== null || scope === "full");
describe.each(MATRIX_SIZES ?? [1, 100])("among 20,000 memories, of %i", (size) => {
  test.each(alone.map((injection) => [caseName(injection), injection] as const))("%s", async (_, injection) => {
    await matrix.prove([injection], size);
  });
});

describe.skipIf(MATRIX_SIZES !== null)("among 20,000 memories", () => {
  test("damage that only the data show, of one memory each", async () => {
    const deep = REDIS_INJECTIONS.filter(({ scope }) => scope === "deep");
    await matrix.prove(deep, 1);
  });

  test("everything at once, as a look at the data sees it, of 100 memories each", async () => {
    await matrix.prove(REDIS_INJECTIONS, 100);
  });

  const large = REDIS_INJECTIONS.filter(
    ({ kind, what }) => kind === "missing" || /ahead.*newer/.test(`${kind} ${what}`),
  );
  test.each(large.map((injection) => [caseName(injection), injection] as const))(
    "%s, of 5,000",
    async (_, injection) => {
      await matrix.prove([injection], 5_000);
    },
  );
});

test("of everything together nothing is left, and nothing is open", async () => {
  await matrix.proveClean();
});
