import { describe, expect, test } from "vitest";
import {
  CommitOutcomeUnknownError,
  IdempotencyKeyReusedError,
  type MnemosyncError,
  StoreRefusedError,
  StoreUnavailableError,
  ValidationError,
} from "../../../src/domain/errors.ts";
import { keyText } from "../../../src/domain/keys.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import type { AttemptPlan, AttemptResult, Chunk } from "../../../src/write/attempt.ts";
import { Outcomes } from "../../../src/write/outcomes.ts";
import type { WriteIntent } from "../../../src/write/plan.ts";
import { type Probed, StoreGate } from "../../../src/write/store-gate.ts";
import { type ChunkOptions, type OnStoreDown, Writer } from "../../../src/write/writer.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";

/** Goal: what follows each ending of an attempt. Method: attempts that end as the test says, and no stores at all. */

const projections = [new InMemoryProjection("redis"), new InMemoryProjection("faiss")];

function intentsOf(...ids: string[]): WriteIntent[] {
  return ids.map((memoryId) => ({
    key: { namespace: "default", memoryId },
    memory: null,
    expectedVersion: null,
    modifiedAt: null,
  }));
}

const CLAIM = { namespaces: ["default"], caller: "", key: "k", part: 0, fingerprint: "f" };

interface Made {
  readonly ids: string[];
  readonly optimistic: boolean;
  readonly guessesNew: boolean;
  readonly stores: string[];
}

/** What `Script` is told: the attempt's number, its chunk, and the gates of the stores by id. */
type Script = (number: number, chunk: Chunk, gates: Record<string, StoreGate>) => AttemptResult | "committed";

function writerOf(script: Script, options: { onStoreDown?: OnStoreDown; retriesMax?: number } = {}) {
  const list = projections.map((projection) => new StoreGate(projection, { failuresMax: 1_000 }));
  const gates = Object.fromEntries(list.map((gate) => [gate.target.id, gate]));
  const made: Made[] = [];
  const recorded: string[] = [];
  const published: string[][] = [];
  const writer = new Writer({
    attempt: async (chunk: Chunk, plan: AttemptPlan) => {
      const ids = chunk.intents.map(({ key }) => key.memoryId);
      const { optimistic, guessesNew } = plan;
      made.push({ ids, optimistic, guessesNew, stores: plan.gates.map(({ target }) => target.id) });
      const result = script(made.length, chunk, gates);
      if (result !== "committed") return result;
      const { transactionId } = plan;
      const decisions = chunk.intents.map(() => ({
        action: "unchanged" as const,
        version: 1,
        checksum: null,
        vectors: true,
      }));
      return {
        kind: "committed",
        chunk: {
          transactionId,
          keepsAnswer: chunk.claim !== null,
          decisions,
          gates: plan.gates,
          token: transactionId,
          epoch: undefined,
          committedAt: performance.now(),
        },
      };
    },
    publisher: {
      publish: async ({ gates: takingPart }) => {
        published.push(takingPart.map(({ target }) => target.id));
        return { stores: [], unattached: [] };
      },
    },
    outcomes: new Outcomes(projections),
    ledger: {
      recordRollback: async ({ reason }) => {
        recorded.push(reason);
      },
    },
    ledgerGate: new StoreGate<Probed>({ id: "postgres", health: async () => ({ state: "healthy" }) }),
    gates: list,
    log: silentLog,
    onStoreDown: options.onStoreDown ?? "degrade",
    retriesMax: options.retriesMax ?? 2,
    retryDelayMs: 0.01,
  });
  const write = (ids: string[], chunk: ChunkOptions = {}) => writer.write(intentsOf(...ids), chunk);
  return { write, made, recorded, published };
}

const refusedData = new StoreRefusedError("postgres", "poison", { cause: { code: "23514" } });
const away = new StoreUnavailableError("redis", "away");

function prepareFailed(gate: StoreGate): AttemptResult {
  return { kind: "prepare_failed", gate, error: away, begun: gate.begin() };
}

describe("after an attempt that ends as", () => {
  test("committed, the chunk is published to the stores that prepared it", async () => {
    const { write, made, published } = writerOf(() => "committed");
    expect(await write(["a", "b"])).toMatchObject([{ status: "unchanged" }, { status: "unchanged" }]);
    expect(made).toEqual([{ ids: ["a", "b"], optimistic: true, guessesNew: true, stores: ["redis", "faiss"] }]);
    expect(published).toEqual([["redis", "faiss"]]);
  });

  test("conflict, all memories of the atomic chunk are answered, and nothing is tried again", async () => {
    const decisions = [
      { action: "conflict" as const, version: 3, checksum: "c" },
      { action: "unchanged" as const, version: 1, checksum: "d", vectors: false },
    ];
    const { write, made, published } = writerOf(() => ({ kind: "conflict", decisions }));
    const outcomes = await write(["a", "b"], { atomic: true });
    expect(outcomes.map(({ status, error }) => [status, error?.code])).toEqual([
      ["conflict", "VERSION_CONFLICT"],
      ["failed", "VERSION_CONFLICT"],
    ]);
    expect([made.length, published.length]).toEqual([1, 0]);
  });

  test("key_reused, the chunk fails, and nothing is tried again or cut", async () => {
    const error = new IdempotencyKeyReusedError("k");
    const { write, made, recorded } = writerOf(() => ({ kind: "key_reused", error }));
    const outcomes = await write(["a", "b"], { claim: CLAIM });
    expect(outcomes).toMatchObject(Array(2).fill({ status: "failed", version: 0, error }));
    expect([made.length, recorded]).toEqual([1, []]);
  });

  test("repeated, the first answer is said again, with the stores that lack it by now", async () => {
    const first = {
      transactionId: "T1",
      summaries: [
        { action: "write" as const, version: 3, checksum: "c", vectors: true },
        { action: "unchanged" as const, version: 1, checksum: "d", vectors: false },
      ],
    };
    const pending = new Set([`faiss ${keyText({ namespace: "default", memoryId: "a" })}`]);
    const { write, published } = writerOf(() => ({ kind: "repeated", first, pending }));
    expect(await write(["a", "b"], { claim: CLAIM })).toMatchObject([
      {
        memoryId: "a",
        version: 3,
        status: "degraded",
        transactionId: "T1",
        stores: { redis: "applied", faiss: "pending" },
      },
      { memoryId: "b", version: 1, status: "unchanged" },
    ]);
    expect(published).toEqual([]);
  });

  test.each(["raced", "copy_refused"] as const)("%s, the next attempt looks for rows in the way", async (kind) => {
    const { write, made } = writerOf((number) => (number === 1 ? { kind } : "committed"));
    await write(["a"]);
    expect(made.map(({ optimistic }) => optimistic)).toEqual([true, false]);
  });

  test("guessed_wrong, the next attempt takes nothing for new, and no failure is counted", async () => {
    const { write, made } = writerOf((number) => (number === 1 ? { kind: "guessed_wrong" } : "committed"), {
      retriesMax: 0,
    });
    const [outcome] = await write(["a"]);
    expect(outcome?.status).toBe("unchanged");
    expect(made.map(({ guessesNew, optimistic }) => [guessesNew, optimistic])).toEqual([
      [true, true],
      [false, true],
    ]);
  });

  test("raced, again and again, it counts as a failure that may pass, and in the end as one", async () => {
    const { write, made } = writerOf(() => ({ kind: "raced" }), { retriesMax: 1 });
    const [outcome] = await write(["a"]);
    expect(outcome?.error).toMatchObject({ code: "STORE_REFUSED", retryable: true });
    expect(outcome?.error?.message).toContain("created the memories first");
    expect(made.length).toBe(2 * 51);
  });

  test("prepare_failed, under degrade: the store is tried again, then left out", async () => {
    const { write, made, published, recorded } = writerOf((_, __, { redis }) =>
      made.at(-1)!.stores.includes("redis") ? prepareFailed(redis!) : "committed",
    );
    expect(await write(["a"])).toMatchObject([{ status: "unchanged" }]);
    const both = ["redis", "faiss"];
    expect(made.map(({ stores }) => stores)).toEqual([both, both, both, ["faiss"]]);
    expect(published).toEqual([["faiss"]]);
    expect(recorded).toEqual(Array(3).fill(away.message));
  });

  test("prepare_failed of every store, the chunk is written without them", async () => {
    const { write, made, published } = writerOf(
      (_, __, gates) => {
        const [store] = made.at(-1)!.stores;
        return store === undefined ? "committed" : prepareFailed(gates[store]!);
      },
      { retriesMax: 0 },
    );
    expect(await write(["a"])).toMatchObject([{ status: "unchanged" }]);
    expect(published).toEqual([[]]);
  });

  test("prepare_failed, under reject: the chunk fails with the store's error", async () => {
    const { write, published } = writerOf((_, __, { redis }) => prepareFailed(redis!), { onStoreDown: "reject" });
    expect(await write(["a"])).toMatchObject([{ status: "failed", error: away }]);
    expect(published).toEqual([]);
  });

  const REPEATED: [MnemosyncError, number][] = [
    [new StoreUnavailableError("postgres", "gone"), 3],
    [new StoreRefusedError("postgres", "no"), 1],
    [new CommitOutcomeUnknownError("T"), 1],
  ];
  test.each(REPEATED)("failed with %s, it is tried %i times", async (error, times) => {
    const { write, made } = writerOf(() => ({ kind: "failed", error }));
    expect(await write(["a", "b"])).toMatchObject([
      { status: "failed", error },
      { status: "failed", error },
    ]);
    expect(made.length).toBe(times);
  });

  test("failed with one lost link, all chunks that were under way are tried again: the ledger is not left out", async () => {
    const { write, made } = writerOf((number) =>
      number <= 5 ? { kind: "failed", error: new StoreUnavailableError("postgres", "the link broke") } : "committed",
    );
    const outcomes = await Promise.all(["a", "b", "c", "d", "e"].map((id) => write([id])));
    expect(outcomes.flat().map(({ status }) => status)).toEqual(Array(5).fill("unchanged"));
    expect(made.length).toBe(10);
  });

  test.each([refusedData, new ValidationError("embedding", "bad")])(
    "failed with %s, the memory at fault is found by halving and the others go through",
    async (error) => {
      const { write, made } = writerOf((_, { intents }) =>
        intents.some(({ key }) => key.memoryId === "bad") ? { kind: "failed", error } : "committed",
      );
      const outcomes = await write(["a", "b", "bad", "c"]);
      expect(outcomes.map(({ status }) => status)).toEqual(["unchanged", "unchanged", "failed", "unchanged"]);
      expect(made.map(({ ids }) => ids.join())).toEqual(["a,b,bad,c", "a,b", "bad,c", "bad", "c"]);
    },
  );

  test.each([{ atomic: true }, { claim: CLAIM }])("failed, a chunk with %j is never cut", async (options) => {
    const { write, made } = writerOf(() => ({ kind: "failed", error: refusedData }));
    expect((await write(["a", "b"], options)).map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect(made.length).toBe(1);
  });
});
