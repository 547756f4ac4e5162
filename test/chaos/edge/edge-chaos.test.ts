import { expect, onTestFinished, test, vi } from "vitest";
import { HubError } from "../../../src/hub/protocol/codes.ts";
import type { Hub } from "../../../src/hub/protocol/hub.ts";
import { temporaryFolder } from "../../support/edges.ts";
import { Random } from "../../support/random.ts";
import { memoryWorld } from "./memory/memory-world.ts";
import { Recorder } from "./recorder.ts";
import { simulateEdges } from "./simulation.ts";

/**
 * Goal: edges and their hub converge, whatever the network, the processes and the clocks do. Method: seeded runs of edges, each
 * with a real file, against the hub in memory; faults end, and the oracle compares all sides. `npm run chaos:edge` runs more
 * seeds. The oracle is tested too: it must name what a broken way to the hub does.
 */
for (const seed of [2, 3, 13, 31, 103]) {
  test(`edges converge with their hub: seed ${seed}`, { timeout: 300_000 }, async () => {
    const result = await simulateEdges({ seed, openWorld: memoryWorld() });
    expect(result.violations).toEqual([]);
    expect(result.edits).toBeGreaterThan(30);
    expect(result.syncs).toBeGreaterThan(20);
    expect(result.restores).toBe(seed % 2);
  });
}

test("no timer of the real clock writes to a simulated edge between its steps", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const [random, recorder] = [new Random(1), new Recorder()];
  const world = await memoryWorld()({ random, recorder });
  const edge = await world.open({ index: 0, folder: temporaryFolder(), policy: "local_wins", random, recorder });
  await edge.store.put("m1", { content: "first", memoryType: "note" });
  expect(vi.getTimerCount()).toBe(0);
  await edge.close();
});

const BROKEN: Record<string, { tamper: (hub: Hub) => Hub; says: RegExp }> = {
  "a hub that answers and does not apply": {
    tamper: (hub) => ({
      ...hub,
      push: async (push) => ({
        epoch: push.epoch ?? "epoch-1",
        receivedAt: push.sentAt,
        answers: push.changes.map(() => ({ status: "applied", version: 1 })),
      }),
    }),
    says: /is lost: it neither shows|is only at the edge/,
  },
  "a way that gives every change another base, so that none is in conflict": {
    tamper: (hub) => ({
      ...hub,
      push: async (push, signal) => {
        const answers = await hub.push(push, signal);
        const again = push.changes.flatMap((change, index) => {
          const answer = answers.answers[index];
          if (answer?.status !== "conflict" || answer.current === null) return [];
          return [{ index, change: { ...change, baseVersion: answer.current.version } }];
        });
        if (again.length === 0) return answers;
        const forced = await hub.push({ ...push, changes: again.map(({ change }) => change) }, signal);
        const merged = [...answers.answers];
        for (const [place, { index }] of again.entries()) {
          const answer = forced.answers[place];
          if (answer !== undefined) merged[index] = answer;
        }
        return { ...answers, answers: merged };
      },
    }),
    says: /is lost: it neither shows, nor is it kept in conflicts/,
  },
  "a page whose last change is left out": {
    tamper: (hub) => ({
      ...hub,
      changesAfter: async (cursor, options, signal) => {
        const page = await hub.changesAfter(cursor, options, signal);
        return { ...page, changes: page.changes.slice(0, -1) };
      },
    }),
    says: /is only at the hub|reads .* at the hub/,
  },
  "a hub that refuses the key": {
    tamper: (hub) => ({
      ...hub,
      push: async () => {
        throw new HubError("UNAUTHENTICATED", "the key is not known");
      },
    }),
    says: /failed with UNAUTHENTICATED/,
  },
};

for (const [name, { tamper, says }] of Object.entries(BROKEN)) {
  test(`the oracle finds ${name}`, { timeout: 300_000 }, async () => {
    const { violations } = await simulateEdges({ seed: 2, edges: 3, steps: 80, openWorld: memoryWorld(tamper) });
    expect(violations.filter((violation) => says.test(violation))).not.toEqual([]);
  });
}
