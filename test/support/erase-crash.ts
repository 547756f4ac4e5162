import { expect } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { EraseStep } from "../../src/erase/erase-step.ts";
import { runEraseUntilCrash } from "./crash-run.ts";
import { findTraces } from "./erasure-traces.ts";
import { unitVector } from "./memories.ts";
import { openWorld } from "./world.ts";

export const ERASED_NAMESPACE = "leaving";
/** Three chunks. */
const MEMORIES = 250;

/** Kills an eraser at a step, has another node take over, and looks for what is left. */
export async function killAndTakeOver(
  t: { onTestFinished: (finish: () => Promise<void>) => void },
  point: EraseStep,
  pass = 1,
): Promise<void> {
  const world = await openWorld(t, { ownRedis: true, settings: { nodeId: "second" } });
  const vector = unitVector(9_000, world.dimension);
  const words = ["marzipanello"];
  await world.fill(3);
  const leaving = world.memories(MEMORIES, 100).map((memory) => ({ ...memory, namespace: ERASED_NAMESPACE }));
  const [first, ...others] = leaving;
  await world.sync.syncBatch([{ ...first!, content: words[0]!, embedding: vector }, ...others]);
  await world.sync.syncBatch([{ ...first!, content: "said again" }]); // The word is in the history alone now.
  const { faiss: _, ...options } = world.connectOptions;
  await runEraseUntilCrash({ options: { ...options, nodeId: "first" }, namespace: ERASED_NAMESPACE, point, pass });
  const before = await world.sync.erasures.list();
  expect(before).toHaveLength(1);
  expect(before[0]?.state).not.toBe("complete");
  // The lease of the dead node runs out, and where it died before its job began, so does the time to wait for one.
  await world.sql`update mnemosync.jobs set lease_expires_at = clock_timestamp() - interval '1 second' where state = 'running'`;
  await world.sql`update mnemosync.erasures set requested_at = requested_at - interval '11 minutes',
                  attempted_at = attempted_at - interval '11 minutes'`;
  world.sync.start();
  const id = before[0]!.id;
  await pollUntil("the erasure's end", 60_000, async () => (await world.sync.erasures.get(id)).state === "complete");
  expect(await world.sync.erasures.get(id)).toMatchObject({ memories: MEMORIES, erased: MEMORIES, awaiting: [] });
  await world.restart(); // What runs in the background would hold up the rewriting of tables.
  expect(await findTraces(world, { words, vector }, [])).toEqual([]);
  expect(await world.sync.count({ namespace: ERASED_NAMESPACE })).toMatchObject({ count: 0 });
  expect(await world.sync.count({})).toMatchObject({ count: 3 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  const again = { ...first!, content: "back" };
  const [refused] = await world.sync.syncBatch([again]);
  expect(refused?.error?.code).toBe("ERASED");
}
