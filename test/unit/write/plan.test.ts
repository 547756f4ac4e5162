import { describe, expect, test } from "vitest";
import { encodeMemory } from "../../../src/domain/memory.ts";
import type { LockedVersion } from "../../../src/ledger/write-statements.ts";
import { assertDistinct, decide, type WriteIntent } from "../../../src/write/plan.ts";

const KEY = { namespace: "default", memoryId: "m" };
const NOW = 1_700_000_000_000;
const memory = (content: string, embedding: Float32Array | null) =>
  encodeMemory(KEY, { content, memoryType: "t", importance: 0.5, metadata: {}, privacy: "full" }, embedding);
const VECTOR = Float32Array.of(1, 2);
const WITH = memory("a", VECTOR);
const WITHOUT = memory("a", null);
const intent = (fields: Partial<WriteIntent>): WriteIntent => ({
  key: KEY,
  memory: WITH,
  expectedVersion: null,
  modifiedAt: null,
  ...fields,
});
const locked = (fields: Partial<LockedVersion>): LockedVersion => ({
  version: 3,
  checksum: WITH.checksum,
  versionVector: { other: 2, me: 1 },
  hasEmbedding: true,
  endedBy: fields.checksum === null ? "deleted" : null,
  ...fields,
});

const FOUND = {
  unknown: undefined,
  same: locked({}),
  "same, without a vector": locked({ checksum: WITHOUT.checksum, hasEmbedding: false }),
  other: locked({ checksum: "other" }),
  "other, without a vector": locked({ checksum: "other", hasEmbedding: false }),
  deleted: locked({ checksum: null }),
  "deleted, without a vector": locked({ checksum: null, hasEmbedding: false }),
};

interface Expected {
  action: "write" | "unchanged" | "conflict";
  version: number;
  /** Whether a store of vectors alone has to hear of it, or holds it. */
  vectors?: boolean;
  /** What the ledger notes. */
  hasEmbedding?: boolean;
}
const write = (version: number, vectors: boolean, hasEmbedding: boolean): Expected => ({
  action: "write",
  version,
  vectors,
  hasEmbedding,
});
const unchanged = (version: number, vectors: boolean): Expected => ({ action: "unchanged", version, vectors });

type Table = Record<keyof typeof FOUND, Expected>;
const PUT_WITH: Table = {
  unknown: write(1, true, true),
  same: unchanged(3, true),
  "same, without a vector": write(4, true, true),
  other: write(4, true, true),
  "other, without a vector": write(4, true, true),
  deleted: write(4, true, true),
  "deleted, without a vector": write(4, true, true),
};
const PUT_WITHOUT: Table = {
  unknown: write(1, false, false),
  // The index must hear of a memory that lost its vector.
  same: write(4, true, false),
  "same, without a vector": unchanged(3, false),
  other: write(4, true, false),
  "other, without a vector": write(4, false, false),
  deleted: write(4, true, false),
  "deleted, without a vector": write(4, false, false),
};
const DELETE: Table = {
  unknown: unchanged(0, false),
  same: write(4, true, true),
  "same, without a vector": write(4, false, false),
  other: write(4, true, true),
  "other, without a vector": write(4, false, false),
  deleted: unchanged(3, true),
  "deleted, without a vector": unchanged(3, false),
};

for (const [what, input, table] of [
  ["a put with a vector", WITH, PUT_WITH],
  ["a put without one", WITHOUT, PUT_WITHOUT],
  ["a delete", null, DELETE],
] as const) {
  describe(what, () => {
    test.each(Object.entries(table))("of what is %s", (found, expected) => {
      const decision = decide(intent({ memory: input }), FOUND[found as keyof typeof FOUND], NOW, "me");
      expect(decision.action).toBe(expected.action);
      if (decision.action === "conflict" || decision.action === "erased") throw new Error("no version was expected");
      expect(decision.vectors).toBe(expected.vectors);
      if (decision.action === "unchanged") {
        expect(decision).toMatchObject({ version: expected.version, checksum: input?.checksum ?? null });
        return;
      }
      const { write: row, change } = decision;
      expect(row).toMatchObject({
        ...KEY,
        version: expected.version,
        checksum: input?.checksum ?? null,
        documentJson: input?.documentJson ?? null,
        embedding: input?.embedding ?? null,
        hasEmbedding: expected.hasEmbedding,
        modifiedAt: NOW,
        versionVector: found === "unknown" ? { me: 1 } : { other: 2, me: 2 },
        bucket: WITH.bucket,
      });
      expect(change).toMatchObject({ ...KEY, version: expected.version, modifiedAt: NOW });
      expect(change.kind).toBe(input === null ? "tombstone" : "put");
      expect(row.digest).toBe(change.kind === "put" ? change.digest : null);
    });
  });
}

describe("an expected version", () => {
  const CASES: [expected: number, found: keyof typeof FOUND, action: Expected["action"]][] = [
    [0, "unknown", "write"],
    [0, "deleted", "write"],
    [0, "other", "conflict"],
    [0, "same", "conflict"],
    [1, "unknown", "conflict"],
    [3, "other", "write"],
    [3, "same", "unchanged"],
    [3, "deleted", "write"],
    [2, "other", "conflict"],
    [4, "same", "conflict"],
    [4, "deleted", "conflict"],
  ];
  test.each(CASES)("of %i where the memory is %s: %s", (expectedVersion, found, action) => {
    const row = FOUND[found];
    const decision = decide(intent({ expectedVersion }), row, NOW, "me");
    expect(decision.action).toBe(action);
    if (decision.action === "conflict") {
      expect(decision).toEqual({ action, version: row?.version ?? 0, checksum: row?.checksum ?? null });
    }
  });
});

test("the time of an imported change takes the place of the ledger's clock", () => {
  const decision = decide(intent({ modifiedAt: 5 }), undefined, NOW, "me");
  expect(decision).toMatchObject({ write: { modifiedAt: 5 }, change: { modifiedAt: 5 } });
});

test("a chunk that names a memory twice is a defect, and one with the same id in two namespaces is none", () => {
  expect(() => assertDistinct([intent({}), intent({})])).toThrow(/twice/);
  assertDistinct([intent({}), intent({ key: { ...KEY, namespace: "other" } })]);
});

describe("of what was erased", () => {
  const found = locked({ checksum: null, endedBy: "erased" });

  test.each([
    ["a put", { memory: WITH }],
    ["a put under a condition that does not hold", { memory: WITH, expectedVersion: 9 }],
    ["an import", { memory: WITH, imported: { version: 9, versionVector: { other: 9 } } }],
  ])("%s is refused", (_, fields) => {
    expect(decide(intent(fields), found, NOW, "me")).toEqual({ action: "erased", version: 3, checksum: null });
  });

  test("a deletion and another erasure change nothing", () => {
    for (const fields of [{}, { ending: "erased" as const }]) {
      expect(decide(intent({ memory: null, ...fields }), found, NOW, "me").action).toBe("unchanged");
    }
  });

  test("a revival is a deletion, and changes nothing where nothing was erased", () => {
    const revival = intent({ memory: null, revives: true });
    expect(decide(revival, found, NOW, "me")).toMatchObject({
      action: "write",
      write: { version: 4, endedBy: "deleted" },
    });
    for (const other of [undefined, locked({ checksum: null, endedBy: "deleted" })]) {
      expect(decide(revival, other, NOW, "me").action).toBe("unchanged");
    }
  });
});

test("where a replica may hold what the ledger does not know, a deletion of an unknown memory is written, above its floor", () => {
  const unknown = (fields: Partial<WriteIntent>, endsUnknown: boolean) =>
    decide(intent({ memory: null, ...fields }), undefined, NOW, "me", 7, endsUnknown);
  expect(unknown({}, false).action).toBe("unchanged");
  expect(unknown({}, true)).toMatchObject({
    action: "write",
    write: { version: 8, checksum: null, endedBy: "deleted", inserts: true, hasEmbedding: false },
    change: { kind: "tombstone", version: 8 },
  });
  expect(unknown({ expectedVersion: 0 }, true).action).toBe("write");
  // Time ends what is there; nothing is there.
  expect(unknown({ ending: "expired" }, true).action).toBe("unchanged");
  expect(unknown({ revives: true }, true).action).toBe("unchanged");
  const deleted = locked({ checksum: null });
  expect(decide(intent({ memory: null }), deleted, NOW, "me", 7, true).action).toBe("unchanged");
});
