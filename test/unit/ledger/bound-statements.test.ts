import { expect, test } from "vitest";
import type { PostgresAccess, PostgresConnection, Sql } from "../../../src/drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "../../../src/ledger/bound-statements.ts";

/** Goal: a bound statement gets its arguments and a connection of its own, and ends when its caller or its time says so. */

const sql = {} as Sql;

/** Hands out one connection; remembers the signals. A statement whose signal fires is given up. */
class FakeAccess implements Pick<PostgresAccess, "use"> {
  readonly signals: AbortSignal[] = [];

  use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    this.signals.push(signal);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    return Promise.race([work({ sql } as PostgresConnection), aborted]);
  }
}

const Bound = bindStatements({
  add: async (given: Sql, a: number, b: number) => ({ own: given === sql, sum: a + b }),
  none: async (_: Sql) => "nothing",
  hang: (_: Sql): Promise<void> => new Promise(() => undefined),
});

class Subject extends Bound {}

function subjectOf(callTimeoutMs: number) {
  const access = new FakeAccess();
  return { access, subject: new Subject(new LedgerCalls(access as unknown as PostgresAccess, callTimeoutMs)) };
}

test("its arguments stand before the signal, and it runs on the connection of the pool", async () => {
  const { access, subject } = subjectOf(60_000);
  const { signal } = new AbortController();
  expect(await subject.add(1, 2, signal)).toEqual({ own: true, sum: 3 });
  expect(await subject.none(signal)).toBe("nothing");
  expect(access.signals).toHaveLength(2);
});

test("its caller's signal ends it", async () => {
  const { subject } = subjectOf(60_000);
  const caller = new AbortController();
  const call = subject.hang(caller.signal);
  caller.abort(new Error("enough"));
  await expect(call).rejects.toThrow("enough");
});

test("its deadline ends it", async () => {
  const { subject } = subjectOf(10);
  await expect(subject.hang(new AbortController().signal)).rejects.toMatchObject({ name: "TimeoutError" });
});
