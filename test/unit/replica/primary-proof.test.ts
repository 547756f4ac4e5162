import { expect, test } from "vitest";
import type { SeenHistory } from "../../../src/domain/change-source.ts";
import { EpochChangedError } from "../../../src/domain/errors.ts";
import { type KeptProof, PrimaryProof } from "../../../src/replica/primary-proof.ts";

/** Goal: whatever of its past a primary loses, and whenever, the next proof tells; and what is known to be lost tells nothing. */

const { signal } = new AbortController();

/** A primary that can be put back, and a replica that may hold transactions beyond its place. */
function primaryOf() {
  const state = { epoch: "e1", has: new Set<string>(), marks: 0, running: 100, beyond: null as string | null };
  const isThere = ({ marks = [], transaction }: SeenHistory): boolean =>
    [...marks, ...(transaction === undefined ? [] : [transaction])].every((one) => state.has.has(one));
  const proof = new PrimaryProof({
    past: {
      mark: async () => {
        const mark = `mark ${++state.marks}`;
        state.has.add(mark);
        return mark;
      },
      prove: async (_, seen = []) => {
        const current = seen.filter(({ epoch }) => epoch === state.epoch);
        if (!current.every(isThere)) state.epoch = `e${Number(state.epoch.slice(1)) + 1}`;
        return { ledger: "l", epoch: state.epoch };
      },
    },
    oldestRunning: async () => state.running,
    lostTransaction: async () => (state.beyond !== null && !state.has.has(state.beyond) ? state.beyond : null),
  });
  const kept = (fields: Partial<KeptProof> = {}): KeptProof => ({
    ...{ feedEpoch: state.epoch, cursor: { xid: "1", seq: "1" }, mark: null, seen: null },
    ...fields,
  });
  const read = (transaction: string): void => {
    state.has.add(transaction);
    proof.note(state.epoch, transaction);
  };
  return { state, proof, kept, read };
}

test("a page that is read after the primary was put back does not hide that the page before it is lost", async () => {
  const { state, proof, read } = primaryOf();
  read("t1");
  await proof.assert("e1", signal);
  state.has.delete("t1");
  read("t2");
  await expect(proof.assert("e1", signal)).rejects.toBeInstanceOf(EpochChangedError);
  expect(state.epoch).toBe("e2");
});

test("a page that is read beside a proof is asked for by the next one", async () => {
  const { state, proof, read } = primaryOf();
  read("t1");
  const proven = proof.assert("e1", signal);
  read("t2");
  await proven;
  state.has.delete("t2");
  expect(await proof.prove(null, signal)).toBe("e2");
});

test("what the replica keeps, and what stands beyond its place, tells a process that begins", async () => {
  const { state, proof, kept } = primaryOf();
  expect(await proof.renew(kept(), signal)).toEqual({ epoch: "e1", mark: "mark 1" });
  expect(await proof.prove(kept({ seen: "t1" }), signal)).toBe("e2");
  expect(await proof.prove(kept({ mark: "mark of before" }), signal)).toBe("e3");
  state.beyond = "t2";
  expect(await proof.renew(kept(), signal)).toEqual({ epoch: "e4", mark: null });
  // The transaction is known to be lost, and that replica is read anew.
  state.beyond = null;
  expect(await proof.renew(kept(), signal)).toEqual({ epoch: "e4", mark: "mark 3" });
});

test("a mark proves all that was told before it, also where nothing else is kept", async () => {
  const { state, proof, kept } = primaryOf();
  const mark = await proof.assertRenewed(kept(), signal);
  await proof.assert("e1", signal);
  state.has.delete(mark ?? "");
  await expect(proof.assert("e1", signal)).rejects.toBeInstanceOf(EpochChangedError);
  // Once is enough: the next epoch has that mark no more.
  await proof.assert("e2", signal);
});

test("a mark covers what had ended before it was made, for the replica that keeps it, and nothing after the primary went back", async () => {
  const { state, proof, kept } = primaryOf();
  expect(proof.covers(kept(), 1)).toBe(false);
  const mark = await proof.assertRenewed(kept(), signal);
  expect([99, 100].map((xid) => proof.covers(kept({ mark }), xid))).toEqual([true, false]);
  // A replica that was put back keeps another one.
  expect(proof.covers(kept({ mark: null }), 1)).toBe(false);
  state.running = 200;
  const next = await proof.assertRenewed(kept({ mark }), signal);
  expect([mark, next].map((each) => proof.covers(kept({ mark: each }), 150))).toEqual([false, true]);
  state.has.clear();
  await expect(proof.assertRenewed(kept({ mark: next }), signal)).rejects.toBeInstanceOf(EpochChangedError);
  expect(proof.covers(kept({ mark: next }), 1)).toBe(false);
});
