import { test } from "vitest";
import { expectHarmlessDeath } from "../support/dying-mover.ts";

/** Goal and method: as `moved-bodies.test.ts`, with every other point at which a mover can die. */
const DEATHS = [
  { call: "moveBatch", point: "during", batch: 1 },
  { call: "moveBatch", point: "after", batch: 4 },
  { call: "replaceFeedIndex", point: "during", batch: 1 },
  { call: "replaceFeedIndex", point: "after", batch: 1 },
] as const;

for (const order of DEATHS) {
  test(`a mover that dies ${order.point} ${order.call} (batch ${order.batch}) loses nothing`, async (t) => {
    await expectHarmlessDeath(t, order);
  }, 300_000);
}
