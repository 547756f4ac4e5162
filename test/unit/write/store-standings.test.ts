import { expect, onTestFinished, test, vi } from "vitest";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import type { StoreRecord } from "../../../src/ledger/past-statements.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import type { Projection, StoreBrand } from "../../../src/stores/projection.ts";
import { StoreStandings } from "../../../src/write/store-standings.ts";

const NAME = { ledger: "ledger", epoch: "epoch" };
const never = new AbortController().signal;
const mark = (number: number): string => `${number}.token`;

/** A store and a ledger's record of it. `between` runs after the store was asked and before the record is read. */
function standingsWith(store: { mark: string }, record: { mark: string }, between: () => void) {
  const brand = (): StoreBrand => ({ owner: NAME, mark: store.mark });
  const projection = {
    id: "redis",
    traits: { scope: "shared" },
    standing: async () => ({ brand: brand(), life: "one" }),
    brand: async () => true,
  } as unknown as Projection;
  const kept = (): StoreRecord => ({ life: "one", mark: record.mark, compared: true });
  const standings = new StoreStandings({
    past: {
      known: NAME,
      prove: async () => {
        between();
        return NAME;
      },
      storeRecords: async () => ({ epochs: new Set([NAME.epoch]), records: new Map([["redis", kept()]]) }),
      confirmStore: async () => undefined,
      mark: async () => mark(9),
    },
    projections: [projection],
    log: silentLog,
  });
  let doubts = 0;
  standings.onDoubt = () => void doubts++;
  return { standings, doubts: () => doubts };
}

test("a check that confirms the store between the two readings of a look is no reason for doubt", async () => {
  const [store, record] = [{ mark: mark(1) }, { mark: mark(1) }];
  const { standings, doubts } = standingsWith(store, record, () => {
    store.mark = mark(2);
    record.mark = mark(2);
  });
  await standings.refresh(never);
  expect([standings.verdictOf("redis"), doubts()]).toEqual([{ state: "trusted" }, 0]);
});

test("a store whose mark stays older than the ledger's record of it is doubted", async () => {
  const { standings, doubts } = standingsWith({ mark: mark(1) }, { mark: mark(2) }, () => undefined);
  await standings.refresh(never);
  expect([standings.verdictOf("redis"), doubts()]).toEqual([{ state: "doubted", doubt: "older_mark" }, 1]);
});

/** A trusted store that stops answering, on a ledger whose epoch and clock the test moves. */
async function silentStore({ silence }: { silence: (signal: AbortSignal) => Promise<never> }) {
  let [epoch, now, proofs, silent] = ["one", 0, 0, false];
  const name = () => ({ ledger: "ledger", epoch });
  const projection = {
    id: "redis",
    traits: { scope: "shared" },
    standing: async (signal: AbortSignal) =>
      silent ? await silence(signal) : { brand: { owner: name(), mark: mark(1) }, life: "one" },
    brand: async () => true,
  } as unknown as Projection;
  const kept: StoreRecord = { life: "one", mark: mark(1), compared: true };
  let known = name();
  const standings = new StoreStandings({
    past: {
      get known() {
        return known;
      },
      prove: async () => {
        proofs++;
        known = name();
        return known;
      },
      storeRecords: async () => ({ epochs: new Set(["one", "two"]), records: new Map([["redis", kept]]) }),
      confirmStore: async () => undefined,
      mark: async () => mark(9),
    },
    projections: [projection],
    log: silentLog,
    proofAgeMaxMs: 1_000,
    now: () => now,
  });
  await standings.refresh(never);
  return {
    standings,
    projection,
    begin: (): void => {
      epoch = "two";
    },
    hush: (): void => {
      silent = true;
    },
    advance: (milliseconds: number): void => {
      now += milliseconds;
    },
    proofs: () => proofs,
  };
}

test("a store that is silent while a new epoch is proven is trusted no more, before it has said anything", async () => {
  const silence = () => Promise.reject(new StoreUnavailableError("redis", "silent"));
  const { standings, projection, begin, hush } = await silentStore({ silence });
  expect(standings.isTrusted(projection)).toBe(true);
  begin();
  hush();
  await expect(standings.refresh(never)).rejects.toThrow("silent");
  expect([standings.isTrusted(projection), standings.isConfirmed("redis")]).toEqual([false, false]);
});

test("a store that hangs does not keep a look from the proof of the ledger's history", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const silence = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const { standings, projection, begin, hush } = await silentStore({ silence });
  begin();
  hush();
  const looked = expect(standings.refresh(never)).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(2_000);
  await looked;
  expect(standings.isTrusted(projection)).toBe(false);
});

test("a read begins a look where the last proof is old, whatever keeps the background work from it", async () => {
  const { standings, projection, advance, proofs } = await silentStore({ silence: () => Promise.reject(new Error()) });
  advance(1_000);
  expect(standings.isTrusted(projection)).toBe(true);
  expect(proofs()).toBe(1);
  advance(1);
  expect(standings.isTrusted(projection)).toBe(true);
  await expect.poll(proofs, { timeout: 30_000 }).toBe(2);
});
