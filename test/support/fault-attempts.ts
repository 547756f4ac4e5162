import { expect } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { type MemoryInput, MnemosyncError, type SyncOutcome } from "../../src/index.ts";
import type { FaultWorld } from "./fault-world.ts";
import type { Held } from "./held.ts";
import { auditLedger } from "./ledger-audit.ts";
import { settles } from "./settles.ts";

/** One write under a fault, and what came of it. */
export interface Attempt {
  readonly memoryId: string;
  /** The content that it writes; null: it deletes. */
  readonly content: string | null;
  readonly hasVector: boolean;
  readonly before: Held;
  readonly result: PromiseSettledResult<SyncOutcome>;
}

/** Codes of failures after which the write may have happened as a whole or not at all. */
const UNKNOWN = new Set(["COMMIT_OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED"]);

/** The memories that `writeUnderFault` and `writeUnprepared` change, as they are before: of the numbers from `base` on. */
export async function seedMemories(world: FaultWorld, base: number): Promise<void> {
  // A store that was hurt before may still be left out of writes: one is written until it takes part again.
  let turn = 0;
  await pollUntil("a write to all stores", 30_000, async () => {
    const outcome = await world.put(world.memory(base, { content: `turn ${turn++}` }));
    return outcome.status === "synced";
  });
  const memories = [1, 2, 3].map((number) => world.memory(base + number));
  const outcomes = await world.sync.syncBatch(memories, { timeoutMs: 15_000 });
  expect(outcomes.map(({ status }) => status)).toEqual(["synced", "synced", "synced"]);
  await world.drain();
}

/** An update, a creation with and one without a vector, and a delete, all at once: one transaction, if nothing fails. */
export async function writeUnderFault(world: FaultWorld, base: number): Promise<Attempt[]> {
  const { embedding: _, ...vectorless } = world.memory(base + 11, { content: "created without a vector" });
  const inputs: (MemoryInput | string)[] = [
    world.memory(base + 1, { content: "updated" }),
    world.memory(base + 10, { content: "created" }),
    vectorless,
    `m${base + 2}`,
  ];
  const memoryIds = inputs.map((input) => (typeof input === "string" ? input : input.memoryId));
  const before = await world.look(memoryIds);
  const calls = inputs.map((input) =>
    typeof input === "string" ? world.sync.delete(input, { timeoutMs: 15_000 }) : world.put(input),
  );
  return await Promise.all(
    calls.map(async (call, position) => {
      const input = inputs[position] as MemoryInput | string;
      const memoryId = memoryIds[position] as string;
      const result = await settles(`the write of ${memoryId}`, call);
      return {
        memoryId,
        content: typeof input === "string" ? null : input.content,
        hasVector: typeof input !== "string" && input.embedding !== undefined,
        before: before.get(memoryId) as Held,
        result,
      };
    }),
  );
}

/** Writes that `writeUnprepared` has under way at once: one that goes with its COMMIT, and two whose COMMIT follows their rows. */
export const UNPREPARED_WRITES = { all: 3, withRowsFirst: 2 } as const;
/** Memories of a transaction that no store is asked about before, at most. */
const UNPREPARED_MAX = 128;
/** Kinds of lone writes: a change, a new memory, a deletion. */
const LONE_KINDS = 3;

/**
 * Three transactions at once, of one, two and as many memories as go unprepared. What the lone one is, and whether all of the many are
 * new, differs from call to call. The outcome of the lone one is the first.
 */
export async function writeUnprepared(world: FaultWorld, base: number, turn: number): Promise<Attempt[]> {
  const { embedding: _, ...vectorless } = world.memory(base + 11, { content: "created without a vector" });
  const kind = turn % LONE_KINDS;
  const lone = kind === 0 ? world.memory(base + 1, { content: "updated" }) : world.memory(base + 10);
  const loneId = kind === 2 ? `m${base + 1}` : lone.memoryId;
  const pair = [world.memory(base + 2, { content: "updated" }), vectorless];
  const many = Array.from({ length: UNPREPARED_MAX }, (_, at) => world.memory(base + 100 + at));
  if (turn % 2 === 1) many[0] = world.memory(base + 3, { content: "updated" });
  const before = await world.look([loneId, ...[...pair, ...many].map(({ memoryId }) => memoryId)]);
  const together = async (memories: readonly MemoryInput[]): Promise<Attempt[]> => {
    const call = world.sync.syncBatch(memories, { atomic: true, timeoutMs: 15_000 });
    const result = await settles(`the write of ${memories.length}`, call);
    return memories.map((input, at) => attemptOf(input.memoryId, input, before, result, at));
  };
  const alone = async (): Promise<Attempt[]> => {
    const call = kind === 2 ? world.sync.delete(loneId, { timeoutMs: 15_000 }) : world.put(lone);
    const outcome = call.then((one) => [one]);
    return [attemptOf(loneId, kind === 2 ? null : lone, before, await settles(`the write of ${loneId}`, outcome), 0)];
  };
  return (await Promise.all([alone(), together(pair), together(many)])).flat();
}

/** @param at place of the memory in its batch, which fails by its outcomes. */
function attemptOf(
  memoryId: string,
  input: MemoryInput | null,
  before: ReadonlyMap<string, Held>,
  settled: PromiseSettledResult<SyncOutcome[]>,
  at: number,
): Attempt {
  let result: Attempt["result"];
  if (settled.status === "rejected") result = settled;
  else {
    const outcome = settled.value[at] as SyncOutcome;
    result =
      outcome.error === undefined
        ? { status: "fulfilled", value: outcome }
        : { status: "rejected", reason: outcome.error };
  }
  const hasVector = input?.embedding !== undefined;
  return { memoryId, content: input?.content ?? null, hasVector, before: before.get(memoryId) as Held, result };
}

export function statusesOf(attempts: readonly Attempt[]): string[] {
  return attempts.map(({ result }) =>
    result.status === "fulfilled" ? result.value.status : ((result.reason as MnemosyncError).code ?? "not ours"),
  );
}

/** Every outcome says what is the case. The stores must be back, and the backlog not worked yet. */
export async function expectTrueOutcomes(world: FaultWorld, attempts: readonly Attempt[]): Promise<void> {
  const held = await world.look(attempts.map(({ memoryId }) => memoryId));
  const histories = await world.sql(
    (sql) => sql<{ memory_id: string; version: number }[]>`
      select memory_id, version::int as version from mnemosync.memory_history`,
  );
  const tokens = await world.sql(
    (sql) => sql<{ memory_id: string; version: number }[]>`
      select k.memory_id, k.version::int as version
      from mnemosync.sync_transactions t, unnest(t.memory_ids, t.versions) as k (memory_id, version)
      where t.state <> 'rolled_back'`,
  );
  for (const attempt of attempts) {
    const { memoryId, before, result } = attempt;
    const now = held.get(memoryId) as Held;
    const versionBefore = before.ledger?.version ?? 0;
    if (result.status === "fulfilled") {
      expectWritten(attempt, now, result.value);
      continue;
    }
    const error = result.reason as MnemosyncError;
    expect(error, `${memoryId}: failures are our own errors`).toBeInstanceOf(MnemosyncError);
    if (UNKNOWN.has(error.code) && now.ledger?.version === versionBefore + 1) {
      expect(now.ledger.content, `${memoryId} is there as it was to be`).toBe(attempt.content);
      continue;
    }
    expect(now, `${memoryId} failed with ${error.code}, and no store shows a trace of it`).toEqual(before);
    const traces = [...histories, ...tokens].filter((row) => row.memory_id === memoryId && row.version > versionBefore);
    expect(traces, `${memoryId} failed with ${error.code}, and has neither token nor version`).toEqual([]);
    const replaced = histories.filter((row) => row.memory_id === memoryId && row.version === versionBefore);
    expect(replaced, `${memoryId} failed with ${error.code}, and its version was not replaced`).toEqual([]);
  }
}

function expectWritten({ memoryId, content, hasVector, before }: Attempt, now: Held, outcome: SyncOutcome): void {
  expect(["synced", "degraded"], `${memoryId} is written`).toContain(outcome.status);
  const version = (before.ledger?.version ?? 0) + 1;
  expect(outcome.version, `${memoryId}: one write, one version`).toBe(version);
  expect(now.ledger, `${memoryId} is in the ledger as its outcome says`).toMatchObject({
    version,
    content,
    checksum: outcome.checksum,
    transactionId: outcome.transactionId,
  });
  expect(outcome.stores.postgres).toBe("applied");
  if (outcome.status === "synced") {
    expect(Object.values(outcome.stores), `${memoryId} is synced: nothing pends`).not.toContain("pending");
  } else {
    expect(Object.values(outcome.stores), `${memoryId} is degraded: something pends`).toContain("pending");
  }
  // A delete shows nothing; what must not be seen any more is the version before it.
  const shown = content === null ? null : version;
  if (outcome.stores.redis === "applied") expect(now.redis, `${memoryId} is in Redis as its outcome says`).toBe(shown);
  if (outcome.stores.faiss === "applied")
    expect(now.faiss, `${memoryId} is in the index as its outcome says`).toBe(hasVector ? shown : null);
}

/** All stores agree, to the last byte, and the ledger is sound. The backlog must be worked. */
export async function expectConverged(world: FaultWorld): Promise<void> {
  const report = await world.sync.checkConsistency({ scope: "deep", signal: AbortSignal.timeout(60_000) });
  expect(report.findings, "a deep check finds nothing").toEqual([]);
  expect(await world.sql((sql) => auditLedger(sql)), "the ledger is sound").toEqual([]);
  await world.untilMarked();
  const [left] = await world.sql(
    (sql) => sql`select (select count(*) from mnemosync.sync_queue)::int as queued,
                        (select count(*) from mnemosync.sync_transactions where state = 'committed')::int as unpublished`,
  );
  expect(left).toEqual({ queued: 0, unpublished: 0 });
}
