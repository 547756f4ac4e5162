import { test, vi } from "vitest";
import { ERASE_STEPS } from "../../src/erase/erase-step.ts";
import { killAndTakeOver } from "../support/erase-crash.ts";

/** Goal: an erasure that is killed at any of its steps is finished by another node, and leaves nothing behind. */

vi.setConfig({ testTimeout: 400_000 });

/** Steps that an erasure of three chunks passes three times. */
const BY_CHUNK = new Set<string>(["memories_ended", "memories_scrubbed"]);

for (const step of ERASE_STEPS) {
  for (const pass of BY_CHUNK.has(step) ? [1, 2, 3] : [1]) {
    test(`killed at ${step}, pass ${pass}`, async (t) => {
      await killAndTakeOver(t, step, pass);
    });
  }
}
