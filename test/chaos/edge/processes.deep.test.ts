import { afterAll, beforeAll, expect, test } from "vitest";
import { Tally } from "./faults.ts";
import { type EdgeProgram, edgeProgram } from "./processes/edge-program.ts";
import { type LongLivedStores, openLongLivedStores } from "./processes/hub-stores.ts";
import { processWorld } from "./processes/process-world.ts";
import { simulateEdges } from "./simulation.ts";

/**
 * As `edge-chaos.test.ts`, with processes: edges and `mnemosync serve` on PostgreSQL, Redis and FAISS are killed with -9 at steps
 * of push and pull, a recording proxy drops, doubles, delays and reorders, keys are revoked and renewed, the hub is restored from
 * an older copy. `npm run chaos:edge -- --hub service` runs more seeds.
 */
let stores: LongLivedStores;
let program: EdgeProgram;

beforeAll(async () => {
  stores = await openLongLivedStores();
  program = edgeProgram();
});
afterAll(async () => {
  program?.close();
  await stores?.close();
});

const kills = new Tally();

const EDGES_BY_SEED = { 1: 2, 2: 3, 3: 4, 6: 5, 9: 8 };

for (const [text, edges] of Object.entries(EDGES_BY_SEED)) {
  const seed = Number(text);
  test(`${edges} edges converge with a service, all of them processes: seed ${seed}`, {
    timeout: 600_000,
  }, async () => {
    const result = await simulateEdges({ seed, edges, steps: 60, openWorld: processWorld(stores, program) });
    expect(result.violations).toEqual([]);
    expect(result.edits).toBeGreaterThan(15);
    kills.addAll(result.kills);
    expect(result.restores).toBe(seed % 2);
    expect(result.revoked).toBe(seed % 3 === 0 ? 1 : 0);
  });
}

test("the runs before killed processes", () => {
  process.stdout.write(`kills of edges and hubs by step: ${kills}\n`);
  expect(kills.total).toBeGreaterThan(5);
});
