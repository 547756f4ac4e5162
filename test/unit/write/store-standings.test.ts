import { expect, test } from "vitest";
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
