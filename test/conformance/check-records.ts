import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CheckRecords } from "../../src/ledger/check-ledger.ts";
import type { EvidenceRecord } from "../../src/ledger/conflict-statements.ts";
import type { RecordedFinding } from "../../src/ledger/progress-statements.ts";
import { keyOf, soon } from "./ledger-suite.ts";

/** Two nodes' records of one ledger. */
export interface OpenCheckRecords {
  readonly one: CheckRecords;
  readonly two: CheckRecords;
  /** Lets time pass for leases and signs of life. */
  wait(milliseconds: number): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

const finding = (memoryId: string, fields: Partial<RecordedFinding> = {}): RecordedFinding => ({
  ...keyOf(memoryId),
  store: "redis",
  kind: "stale",
  expectedVersion: 2,
  foundVersion: 1,
  evidence: 'it is at "1"',
  ...fields,
});

const evidence = (memoryId: string, fields: Partial<EvidenceRecord> = {}): EvidenceRecord => ({
  ...keyOf(memoryId),
  store: "redis",
  kind: "diverged",
  strategy: "latest_wins",
  pendingBecause: null,
  foundVersion: 2,
  foundState: "live",
  foundChecksum: "c",
  foundDocument: Buffer.from([0xff, 0x00, 0x7b]),
  foundEmbedding: Buffer.from([1, 2, 3, 4]),
  foundVector: '{"a":1}',
  foundModifiedAt: 1_700_000_000_123,
  ledgerVersion: 2,
  ledgerChecksum: "d",
  ledgerDocument: '{"b":"\\"2\\""}',
  ledgerEmbedding: Float32Array.of(1, -2),
  ledgerVector: '{"b":2}',
  ledgerModifiedAt: 1_700_000_000_456,
  evidence: "checksums differ",
  ...fields,
});

/** What everybody may rely on of the records of checks and repairs. */
export function describeCheckRecords(name: string, open: () => Promise<OpenCheckRecords>): void {
  describe(`records of checks (${name})`, () => {
    let subject: OpenCheckRecords;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.close());
    beforeEach(() => subject.clear());

    const stateOf = async (scope: string) =>
      (await subject.one.checkStates(soon())).find((state) => state.scope === scope && state.nodeId === "one");

    test("a run's progress and findings are there for the next one, which may keep or drop them", async () => {
      await subject.one.beginCheck("full", "run-1", "nothing", soon());
      const point = { position: { stage: "ledger", at: 7 }, checked: 500, findings: [finding("b"), finding("a")] };
      expect(await subject.one.saveCheckpoint("full", "run-1", point, soon())).toBe(true);
      expect(await stateOf("full")).toMatchObject({
        position: { stage: "ledger", at: 7 },
        checked: 500,
        findings: 2,
        finishedAt: null,
        lastCleanAt: null,
      });
      const { startedAt } = (await stateOf("full"))!;
      await subject.one.beginCheck("full", "run-2", "all", soon());
      expect(await stateOf("full")).toMatchObject({ position: point.position, checked: 500, findings: 2, startedAt });
      expect(await subject.one.checkFindings("full", 10, soon())).toEqual([finding("a"), finding("b")]);
      expect(await subject.one.checkFindings("full", 1, soon())).toEqual([finding("a")]);
      await subject.one.beginCheck("full", "run-3", "position", soon());
      expect(await stateOf("full")).toMatchObject({ position: point.position, checked: 0, findings: 0 });
      expect(await subject.one.checkFindings("full", 10, soon())).toEqual([]);
      await subject.one.beginCheck("full", "run-4", "nothing", soon());
      expect(await stateOf("full")).toMatchObject({ position: null, checked: 0 });
    });

    test("a checkpoint of a run that another one replaced changes nothing", async () => {
      await subject.one.beginCheck("full", "run-1", "nothing", soon());
      await subject.one.beginCheck("full", "run-2", "nothing", soon());
      const late = { position: 1, checked: 9, findings: [finding("a")] };
      expect(await subject.one.saveCheckpoint("full", "run-1", late, soon())).toBe(false);
      expect(await stateOf("full")).toMatchObject({ position: null, checked: 0, findings: 0 });
      expect(await subject.one.checkFindings("full", 10, soon())).toEqual([]);
    });

    test("scopes and nodes are kept apart, and findings are counted once for a memory and store", async () => {
      await subject.one.beginCheck("full", "run", "nothing", soon());
      await subject.one.beginCheck("deep", "run", "nothing", soon());
      await subject.two.beginCheck("full", "run", "nothing", soon());
      const save = (records: CheckRecords, scope: string, findings: RecordedFinding[]) =>
        records.saveCheckpoint(scope, "run", { position: null, checked: 1, findings }, soon());
      const missing = finding("a", { store: "faiss", kind: "missing", foundVersion: null });
      await save(subject.one, "full", [finding("a"), missing]);
      await save(subject.one, "deep", [finding("a"), finding("b")]);
      await save(subject.two, "full", [finding("c")]);
      expect(await subject.two.checkFindings("full", 10, soon())).toEqual([finding("c")]);
      expect(await subject.one.countFindings(soon())).toEqual([
        { store: "faiss", kind: "missing", count: 1 },
        { store: "redis", kind: "stale", count: 3 },
      ]);
      await subject.one.forgetFindings([finding("a"), finding("c")], soon());
      expect(await subject.one.countFindings(soon())).toEqual([
        { store: "faiss", kind: "missing", count: 1 },
        { store: "redis", kind: "stale", count: 1 },
      ]);
    });

    test("a finding that is seen again takes the place of the earlier one", async () => {
      await subject.one.beginCheck("full", "run", "nothing", soon());
      const save = (findings: RecordedFinding[]) =>
        subject.one.saveCheckpoint("full", "run", { position: 1, checked: 1, findings }, soon());
      await save([finding("a")]);
      const ahead = finding("a", { kind: "ahead", foundVersion: 9, expectedVersion: null });
      await save([ahead]);
      expect(await subject.one.checkFindings("full", 10, soon())).toEqual([ahead]);
    });

    test("the end of a check says whether it was clean, and the last clean end is remembered", async () => {
      const end = async (clean: boolean) => {
        await subject.one.beginCheck("full", "run", "nothing", soon());
        const point = { position: null, checked: 3, findings: [], ended: { clean } };
        await subject.one.saveCheckpoint("full", "run", point, soon());
        return (await stateOf("full"))!;
      };
      expect(await end(false)).toMatchObject({ lastCleanAt: null, checked: 3, finishedAt: expect.any(Number) });
      const { lastCleanAt } = await end(true);
      expect(lastCleanAt).toEqual(expect.any(Number));
      expect((await end(false)).lastCleanAt).toBe(lastCleanAt);
      await subject.wait(5);
      expect((await stateOf("full"))?.silentMs).toBeGreaterThanOrEqual(4);
    });

    test("a lease has one holder, who may renew it and give it back, and it ends by itself", async () => {
      const acquire = (holder: string, ttlMs: number) => subject.one.acquireLease("checker", holder, ttlMs, soon());
      expect(await acquire("a", 60_000)).toBe(true);
      expect(await acquire("b", 60_000)).toBe(false);
      expect(await subject.two.acquireLease("other", "b", 60_000, soon())).toBe(true);
      expect(await acquire("a", 60_000)).toBe(true);
      await subject.one.releaseLease("checker", "b", soon());
      expect(await acquire("b", 60_000)).toBe(false);
      await subject.one.releaseLease("checker", "a", soon());
      expect(await acquire("b", 60_000)).toBe(true);
      expect(await acquire("a", 60_000)).toBe(false);
      expect(await acquire("b", 20)).toBe(true); // Shortened: a busy machine may need 20 ms for the refusal above.
      await subject.wait(40);
      expect(await acquire("a", 60_000)).toBe(true);
    });

    test("facts are remembered by their names", async () => {
      expect(await subject.one.readMeta("generation:test", soon())).toBeNull();
      await subject.one.writeMeta("generation:test", "1", soon());
      await subject.two.writeMeta("generation:test", "2", soon());
      expect(await subject.one.readMeta("generation:test", soon())).toBe("2");
    });

    test("evidence reads back as it was found, bytes and all, and in the order in which it was given", async () => {
      const bare = evidence("b", {
        foundVersion: null,
        foundState: "malformed",
        foundChecksum: null,
        foundDocument: Buffer.from("x"),
        foundEmbedding: null,
        foundVector: null,
        foundModifiedAt: null,
        ledgerVersion: null,
        ledgerChecksum: null,
        ledgerDocument: null,
        ledgerEmbedding: null,
        ledgerVector: null,
        ledgerModifiedAt: null,
        kind: "orphan",
        pendingBecause: "somebody has to decide",
      });
      const records = [evidence("a"), bare, evidence("c", { foundDocument: null, foundEmbedding: Buffer.alloc(0) })];
      const ids = await subject.one.keepEvidence(records, soon());
      expect(new Set(ids).size).toBe(3);
      for (const [index, id] of ids.entries()) {
        const { ledgerEmbedding, ...rest } = records[index]!;
        const read = await subject.two.readConflict(id, soon());
        expect(read).toMatchObject({ ...rest, id, state: "pending", resolvedAt: null, resolution: null });
        expect(read?.ledgerEmbedding).toEqual(ledgerEmbedding === null ? null : Buffer.from(ledgerEmbedding.buffer));
      }
      expect(await subject.one.keepEvidence([], soon())).toEqual([]);
      expect(await subject.one.readConflict("999999999", soon())).toBeNull();
    });

    test("evidence of the very same finding is kept once while it is pending", async () => {
      const [first] = await subject.one.keepEvidence([evidence("a")], soon());
      const again = evidence("a", { strategy: "manual", pendingBecause: "waits" });
      expect(await subject.one.keepEvidence([evidence("b"), again], soon())).toEqual([expect.any(String), first]);
      expect(await subject.one.readConflict(first!, soon())).toMatchObject({
        strategy: "manual",
        pendingBecause: "waits",
      });
      const other = evidence("a", { foundDocument: Buffer.from("other") });
      const [second] = await subject.one.keepEvidence([other], soon());
      expect(second).not.toBe(first);
      await subject.one.settleEvidence([{ id: first!, state: "resolved", resolution: "done" }], soon());
      const [third] = await subject.one.keepEvidence([evidence("a")], soon());
      expect(third).not.toBe(first);
    });

    test("records end once, each with its own words, and are listed by what is asked for", async () => {
      const waiting = evidence("c", { pendingBecause: "waits" });
      const ids = await subject.one.keepEvidence([evidence("a"), evidence("b"), waiting], soon());
      const [a, b, c] = ids as [string, string, string];
      const endings = [
        { id: b, state: "failed" as const, resolution: "no" },
        { id: a, state: "resolved" as const, resolution: "put in place" },
      ];
      expect((await subject.two.settleEvidence(endings, soon())).sort()).toEqual([a, b].sort());
      expect(await subject.one.settleEvidence([{ id: a, state: "failed", resolution: "late" }], soon())).toEqual([]);
      const list = async (filter: object) =>
        (await subject.one.listConflicts({ limit: 10, ...filter }, soon())).map(({ id }) => id);
      expect(await list({})).toEqual(ids);
      expect(await list({ limit: 2 })).toEqual([a, b]);
      expect(await list({ after: a })).toEqual([b, c]);
      expect(await list({ state: "resolved" })).toEqual([a]);
      expect(await list({ waiting: true })).toEqual([c]);
      expect(await list({ waiting: false })).toEqual([]);
      expect(await list({ memoryId: "b" })).toEqual([b]);
      expect(await list({ namespace: "nobody" })).toEqual([]);
      expect(await subject.one.readConflict(a, soon())).toMatchObject({
        state: "resolved",
        resolution: "put in place",
      });
      await subject.one.settleEvidence([{ id: c, state: "resolved", resolution: "x" }], soon());
      expect(await subject.one.readConflict(c, soon())).toMatchObject({ state: "resolved", pendingBecause: null });
    });
  });
}
