import { test, vi } from "vitest";
import { killAndTakeOver } from "../support/erase-crash.ts";

/** Goal: an erasure whose node is killed is finished by another node. `erase-crash.deep.test.ts` enumerates the moments. */

vi.setConfig({ testTimeout: 300_000 });

test("an erasure that is killed between the ending of memories and the removal of their content is taken over", async (t) => {
  await killAndTakeOver(t, "memories_ended", 2);
});
