import { expect, test } from "vitest";
import { keyText } from "../../src/domain/keys.ts";
import fc from "../support/properties.ts";
import { PUBLISH_DEADLINE_MS, SimulatedNode, Simulation } from "../support/simulation.ts";

/**
 * Goal: the write protocol keeps its promises under every interleaving, fault and crash. Method: sequences of commands
 * on stores in maps, every operation of which a seeded scheduler releases; both laws are looked at after each step, and
 * acknowledged calls are held against the ledger at the end, when all stores must agree without a repair.
 */

const NODES = 2;

/** Operations that can be made to fail: before they take effect, or after it with their answer lost. */
const FALLIBLE = ["redis", "faiss", "redis", "faiss"] // Twice: they are the ones that the backlog exists for.
  .flatMap((store) => ["prepare", "publish", "discard", "read"].map((name) => `${store} ${name}`))
  .concat(
    ["begin", "write", "commit", "markPublished", "queuePending", "claim", "settle", "readChanges"].map(
      (name) => `ledger ${name}`,
    ),
  )
  .flatMap((operation) => [operation, `${operation} answered`])
  .concat("ledger commit underway");

const node = fc.nat(NODES - 1);
const memory = fc.nat(3);
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant("put" as const), node, memory, steps: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), node, memory, steps: fc.nat(12) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("step" as const), steps: fc.nat(40) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("fail" as const),
      operation: fc.constantFrom(...FALLIBLE),
      times: fc.integer({ min: 1, max: 5 }),
      refused: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("crash" as const), node }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("drain" as const), node, steps: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("advance" as const), ms: fc.nat(2 * PUBLISH_DEADLINE_MS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("check" as const), node }) },
);

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function play(seed: number, commands: readonly Command[]): Promise<Simulation> {
  const world = new Simulation(seed, NODES);
  const open: Promise<unknown>[] = [];
  let advanced = false;
  let contents = 0;
  const key = (number: number) => ({ namespace: "default", memoryId: `m${number}` });
  for (const step of commands) {
    switch (step.type) {
      case "put":
      case "delete":
        open.push(
          world.nodes[step.node]!.begin(key(step.memory), step.type === "put" ? `content ${contents++}` : null),
        );
        await new Promise((resolve) => setImmediate(resolve));
        await world.step(step.steps);
        break;
      case "step":
        await world.step(step.steps);
        break;
      case "fail":
        world.faults.push({ operation: step.operation, times: step.times, refused: step.refused });
        break;
      case "crash":
        world.nodes[step.node]!.crash();
        world.nodes[step.node] = new SimulatedNode(world, `n${step.node}`);
        break;
      case "drain":
        world.background(world.nodes[step.node]!.drain());
        await world.step(step.steps);
        break;
      case "advance":
        advanced = true;
        world.now += step.ms;
        break;
      case "check": {
        const findings = await world.run(world.nodes[step.node]!.check());
        // Until something is overdue, every difference is on its way and no drift.
        if (!advanced && findings !== null) expect(findings).toEqual([]);
        break;
      }
    }
  }
  return await settle(world, open);
}

/** Faults end, calls of living nodes settle, time passes, the backlog is worked off. */
async function settle(world: Simulation, open: readonly Promise<unknown>[]): Promise<Simulation> {
  world.faults.length = 0;
  const alive = world.calls.map((call, index) => (call.outcome === null ? open[index] : undefined));
  // Calls of crashed nodes never come back; the others do before anything else is asked.
  await world.run(Promise.race([Promise.all(alive), world.run(idle(world))]));
  for (let round = 0; round < 3; round++) {
    world.now += 10 * PUBLISH_DEADLINE_MS;
    for (const survivor of world.nodes) await world.run(survivor.drain());
  }
  return world;
}

/** Resolves once no operation of a living node has been waiting for a while. */
async function idle(world: Simulation): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (world.isBusy) quiet = -1;
  }
}

function judge(world: Simulation): void {
  expect(world.violations).toEqual([]);
  const committed = new Map<string, number>();
  for (const [text, current] of world.ledger.versions) {
    const chain = [...(world.ledger.history.get(text) ?? []), current];
    expect(chain.map((row) => row.version)).toEqual(chain.map((_, index) => index + 1));
    for (const row of chain)
      if (row.checksum !== null) committed.set(row.checksum, (committed.get(row.checksum) ?? 0) + 1);
    for (const store of [world.redis, ...world.indexes.values()]) {
      const entry = store.get(text);
      expect(entry).toMatchObject({
        version: current.version,
        state: current.checksum === null ? "tombstone" : "live",
      });
    }
  }
  // Every put has a content of its own: one that stands twice was written twice.
  expect([...committed.values()].filter((times) => times > 1)).toEqual([]);
  for (const { intent, outcome } of world.calls) {
    if (outcome === null) continue;
    if (outcome.status === "synced" || outcome.status === "degraded") {
      expect(world.committedChecksum(outcome, outcome.version)).toBe(outcome.checksum);
    }
    if (outcome.status === "failed" && outcome.error?.code !== "COMMIT_OUTCOME_UNKNOWN" && intent.memory !== null) {
      expect(committed.has(intent.memory.checksum), `${keyText(intent.key)} failed, yet was written`).toBe(false);
    }
  }
  expect([...world.ledger.transactions.values()].filter((row) => row.state === "committed")).toEqual([]);
  expect([...world.ledger.queue.values()].filter((row) => !row.dead)).toEqual([]);
}

test("no sequence of writes, faults and crashes breaks a promise", { timeout: 400_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.array(command, { minLength: 3, maxLength: 30, size: "max" }),
      async (seed, commands) => {
        const world = await play(seed, commands);
        judge(world);
        for (const survivor of world.nodes) expect(await world.run(survivor.check())).toEqual([]);
      },
    ),
    { numRuns: Number(process.env.MNEMOSYNC_PROTOCOL_RUNS ?? 1_200) },
  );
});
