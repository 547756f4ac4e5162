import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { MemorySynchronizer } from "../../src/index.ts";
import { connectSeen } from "../support/connect-seen.ts";
import { expectConverged } from "../support/fault-attempts.ts";
import { faultServers } from "../support/fault-servers.ts";
import { DIMENSION, FaultWorld } from "../support/fault-world.ts";
import { auditLedger } from "../support/ledger-audit.ts";
import { randomNumbers } from "../support/memories.ts";
import { inTime } from "../support/settles.ts";

/** Goal: many writers of one memory never share a version, lose one, or take one back. */
const servers = faultServers();
const WRITERS = 200;
const unhurried = {
  callTimeoutMs: 20_000,
  publishTimeoutMs: 10_000,
  prepareTimeoutMs: 10_000,
  publishDeadlineMs: 5_000,
  retriesMax: 3,
};

test(`of ${WRITERS} writers with expectedVersion each gets in once, at versions without a gap; losers get VERSION_CONFLICT`, async () => {
  const world = await FaultWorld.open(servers.current, { faiss: false, settings: unhurried });
  try {
    const random = randomNumbers(5);
    let conflicts = 0;
    let left = WRITERS;
    const writer = async (number: number): Promise<number> => {
      for (let expectedVersion = 0; ; ) {
        const memory = world.memory(1, { content: `of writer ${number}` });
        try {
          const outcome = await inTime(`writer ${number}`, world.put(memory, { expectedVersion }));
          expect(outcome.status).toBe("synced");
          left--;
          return outcome.version;
        } catch (error) {
          expect(error).toMatchObject({ code: "VERSION_CONFLICT", expectedVersion });
        }
        conflicts++;
        await delay(random() * left * 20); // As optimistic writers do: the more there are, the longer each stays away.
        expectedVersion = (await world.sync.get("m1"))?.version ?? 0;
      }
    };
    const versions = await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)));
    expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: WRITERS }, (_, turn) => turn + 1));
    expect(conflicts).toBeGreaterThanOrEqual(WRITERS - 1);
    process.stdout.write(`${WRITERS} writers, ${conflicts} conflicts\n`);
    await expectConverged(world);
  } finally {
    await world.close();
  }
}, 240_000);

test(`of ${WRITERS} writers without it the last one wins, and the history holds every version up to its limit`, async () => {
  for (const historyVersionsMax of [10, 1_000]) {
    const world = await FaultWorld.open(servers.current, {
      faiss: false,
      settings: { ...unhurried, historyVersionsMax },
    });
    try {
      const outcomes = await Promise.all(
        Array.from({ length: WRITERS }, (_, n) =>
          inTime(`writer ${n}`, world.put(world.memory(1, { content: `${n}` }))),
        ),
      );
      expect(outcomes.map(({ version }) => version)).toEqual(Array.from({ length: WRITERS }, (_, turn) => turn + 1));
      const current = await world.sync.get("m1");
      expect(current).toMatchObject({ version: WRITERS, content: `${WRITERS - 1}` });
      const history = await world.sync.history("m1");
      const kept = Math.min(historyVersionsMax + 1, WRITERS);
      expect(history.map(({ version }) => version)).toEqual(Array.from({ length: kept }, (_, turn) => WRITERS - turn));
      expect(await world.sql((sql) => auditLedger(sql, historyVersionsMax))).toEqual([]);
    } finally {
      await world.close();
    }
  }
});

test("two nodes write the same memories and share the backlog: no version twice, nothing goes back", async (t) => {
  const world = await FaultWorld.open(servers.current, { settings: { ...unhurried, publishDeadlineMs: 200 } });
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-fault-second-"));
  const { sync: second, index } = await connectSeen({
    ...world.connectOptions,
    nodeId: "second",
    faiss: { directory, dimension: DIMENSION },
  });
  try {
    const nodes = [world.sync, second];
    const stop = new AbortController();
    t.onTestFinished(() => stop.abort());
    const watching = Promise.all(nodes.map((node, number) => watch(world, nodes[1 - number] ?? node, stop.signal)));
    const working = nodes.map((node) => workBacklog(node, stop.signal));
    const write = async (node: MemorySynchronizer, name: string): Promise<string[]> => {
      const written: string[] = [];
      for (let turn = 0; turn < 30; turn++) {
        const inputs = Array.from({ length: 20 }, (_, n) => world.memory(n, { content: `${name} ${turn}` }));
        for (const outcome of await inTime(`batch ${turn} of ${name}`, node.syncBatch(inputs))) {
          expect(["synced", "degraded"], String(outcome.error)).toContain(outcome.status);
          written.push(`${outcome.memoryId}@${outcome.version}`);
        }
        if (turn === 10 && name === "first") servers.current.redisProxy.blackHole();
        if (turn === 14 && name === "first") await servers.current.redisProxy.pass();
      }
      return written;
    };
    const [first, other] = await Promise.all([write(world.sync, "first"), write(second, "second")]);
    const all = [...(first ?? []), ...(other ?? [])];
    expect(new Set(all).size, "no version was given out twice").toBe(all.length);
    expect(all.length).toBe(2 * 30 * 20);
    await world.heal();
    await world.drain();
    stop.abort();
    await Promise.all(working);
    expect((await watching).flat()).toEqual([]);
    await index?.catchUp(AbortSignal.timeout(60_000));
    await world.index.catchUp(AbortSignal.timeout(60_000));
    await expectConverged(world);
    const report = await second.checkConsistency({ scope: "deep", signal: AbortSignal.timeout(60_000) });
    expect(report.findings, "on the second node as well").toEqual([]);
  } finally {
    await inTime("closing the second node", second.close());
    await world.close();
    await rm(directory, { recursive: true, force: true });
  }
}, 240_000);

async function workBacklog(node: MemorySynchronizer, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await node.backlog.runOnce().catch(() => undefined);
    await delay(20);
  }
}

/** What a reader of `node` and one of Redis itself see of the memories. @returns where an older version followed a newer. */
async function watch(world: FaultWorld, node: MemorySynchronizer, signal: AbortSignal): Promise<string[]> {
  const seen = new Map<string, number>();
  const wentBack: string[] = [];
  const note = (where: string, version: number): void => {
    const before = seen.get(where) ?? 0;
    if (version < before) wentBack.push(`${where}: ${version} after ${before}`);
    seen.set(where, Math.max(version, before));
  };
  await world.redis(async (redis) => {
    await pollUntil("the end of the watch", 80_000, async () => {
      for (const memoryId of ["m0", "m7", "m19"]) {
        note(`redis ${memoryId}`, Number((await redis.hget(world.redisKey(memoryId), "version")) ?? 0));
        note(`get ${memoryId}`, (await node.get(memoryId))?.version ?? 0);
      }
      return signal.aborted;
    }).catch((error: Error) => void (signal.aborted || wentBack.push(`the watch ended: ${error.message}`)));
  });
  return wentBack;
}

test("a memory's row is locked from its decision to its commit", async () => {
  const world = await FaultWorld.open(servers.current, { faiss: false, settings: unhurried });
  try {
    await world.put(world.memory(1));
    let free: number | null = null;
    world.atStep("locked", async () => {
      const rows = await world.sql(
        (sql) => sql`select 1 from mnemosync.memory_versions where memory_id = 'm1' for update skip locked`,
      );
      free = rows.length;
    });
    await world.put(world.memory(1, { content: "under lock" }));
    expect(free, "rows that another transaction can lock meanwhile").toBe(0);
  } finally {
    await world.close();
  }
});

test("chunks of one process that overlap wait for each other and all go through", async () => {
  const world = await FaultWorld.open(servers.current, { faiss: false, settings: { ...unhurried, batchSize: 20 } });
  try {
    const random = randomNumbers(3);
    await world.sync.syncBatch(Array.from({ length: 40 }, (_, n) => world.memory(n)));
    const some = (name: string, count: number) => {
      const inputs = Array.from({ length: count }, (_, n) =>
        world.memory(Math.floor(random() * 40), { content: `${name} ${n}` }),
      );
      return [...new Map(inputs.map((input) => [input.memoryId, input])).values()];
    };
    const callers = Array.from({ length: 6 }, async (_, caller) => {
      for (let turn = 0; turn < 10; turn++) {
        const name = `${caller}.${turn}`;
        const [plain, atomic] = await inTime(
          name,
          Promise.all([world.sync.syncBatch(some(name, 30)), world.sync.syncBatch(some(name, 5), { atomic: true })]),
        );
        for (const outcome of [...plain, ...atomic]) expect(outcome.error?.message).toBeUndefined();
      }
    });
    await Promise.all(callers);
    await world.drain();
    await expectConverged(world);
  } finally {
    await world.close();
  }
});
