import { describe, expect, test } from "vitest";
import { classify } from "../../../src/consistency/check/classify.ts";
import { type DriftKind, type Finding, storesByMemory } from "../../../src/consistency/check/report.ts";
import type { LedgerVersion } from "../../../src/ledger/read-statements.ts";
import type { StoredEntry } from "../../../src/stores/projection.ts";
import { FAISS_TRAITS, REDIS_TRAITS } from "../../support/store-traits.ts";

/** Method: the whole table. Rows: what the ledger says (at version 5). Columns: what the store holds. */

const KEY = { namespace: "default", memoryId: "m" };
const NOW = 1_000_000;
const row = (fields: Partial<LedgerVersion>): LedgerVersion => ({
  ...KEY,
  version: 5,
  checksum: "right",
  hasEmbedding: true,
  modifiedAt: 1,
  expiresAt: null,
  transactionId: "T",
  ...fields,
});

const LEDGER = {
  unknown: undefined,
  live: row({}),
  "live, expires later": row({ expiresAt: NOW + 1 }),
  "live, expires now": row({ expiresAt: NOW }),
  "live, without a vector": row({ hasEmbedding: false }),
  deleted: row({ checksum: null }),
} satisfies Record<string, LedgerVersion | undefined>;

const live = (version: number, checksum: string): StoredEntry => ({
  ...KEY,
  state: "live",
  version,
  checksum,
  modifiedAt: 1,
});
const ENTRY = {
  nothing: null,
  "the version": live(5, "right"),
  "the version, other checksum": live(5, "wrong"),
  older: live(4, "right"),
  newer: live(6, "right"),
  "tombstone of the version": { ...KEY, state: "tombstone", version: 5 },
  "older tombstone": { ...KEY, state: "tombstone", version: 4 },
  "newer tombstone": { ...KEY, state: "tombstone", version: 6 },
  malformed: { ...KEY, state: "malformed", reason: "has no version" },
  "another layout": { ...KEY, state: "malformed", reason: "an entry of format 2, not 1", otherFormat: "2" },
} satisfies Record<string, StoredEntry | null>;

type Table = Record<keyof typeof LEDGER, Record<keyof typeof ENTRY, DriftKind | null>>;

/** What holds of a live memory in a store that is to hold it. */
const LIVE: Record<keyof typeof ENTRY, DriftKind | null> = {
  nothing: "missing",
  "the version": null,
  "the version, other checksum": "diverged",
  older: "stale",
  newer: "ahead",
  "tombstone of the version": "missing",
  "older tombstone": "stale",
  "newer tombstone": "ahead",
  malformed: "corrupt",
  "another layout": "missing",
};
const UNKNOWN: Record<keyof typeof ENTRY, DriftKind | null> = {
  nothing: null,
  "the version": "orphan",
  "the version, other checksum": "orphan",
  older: "orphan",
  newer: "orphan",
  "tombstone of the version": null,
  "older tombstone": null,
  "newer tombstone": null,
  malformed: "orphan",
  "another layout": null,
};
const DELETED: Record<keyof typeof ENTRY, DriftKind | null> = {
  nothing: null,
  "the version": "resurrected",
  "the version, other checksum": "resurrected",
  older: "resurrected",
  newer: "resurrected",
  "tombstone of the version": null,
  "older tombstone": null,
  "newer tombstone": null,
  malformed: "corrupt",
  "another layout": null,
};

const REDIS: Table = {
  unknown: UNKNOWN,
  live: LIVE,
  "live, expires later": LIVE,
  "live, expires now": { ...LIVE, nothing: null, "another layout": null },
  "live, without a vector": LIVE,
  deleted: DELETED,
};

const FAISS: Table = {
  unknown: UNKNOWN,
  live: LIVE,
  "live, expires later": LIVE,
  "live, expires now": { ...LIVE, nothing: null, "another layout": null },
  "live, without a vector": {
    nothing: null,
    // Whatever vector stands there shows a memory that has none.
    "the version": "stale",
    "the version, other checksum": "stale",
    older: "stale",
    newer: "ahead",
    "tombstone of the version": null,
    "older tombstone": null,
    "newer tombstone": null,
    malformed: "corrupt",
    "another layout": null,
  },
  deleted: DELETED,
};

for (const [store, traits, table] of [
  ["redis", REDIS_TRAITS, REDIS],
  ["faiss", FAISS_TRAITS, FAISS],
] as const) {
  describe(`what ${store} holds of a memory`, () => {
    const cases = Object.entries(table).flatMap(([ledger, columns]) =>
      Object.entries(columns).map(([entry, kind]) => ({ ledger, entry, kind })),
    );
    test.each(cases)("ledger $ledger, store $entry: $kind", ({ ledger, entry, kind }) => {
      const drift = classify(traits, LEDGER[ledger as keyof typeof LEDGER], ENTRY[entry as keyof typeof ENTRY], NOW);
      expect(drift?.kind ?? null).toBe(kind);
      if (drift !== null) expect(drift.evidence).toMatch(/\S/);
    });
  });
}

test("an entry of another layout is a cache miss, and no drift", () => {
  expect(classify(REDIS_TRAITS, LEDGER.live, ENTRY["another layout"], NOW)).toMatchObject({
    kind: "missing",
    evicted: true,
  });
});

describe("stores by memory", () => {
  const finding = (memoryId: string, store: Finding["store"]): Finding => ({
    namespace: "default",
    memoryId,
    store,
    kind: "missing",
    expectedVersion: 1,
    foundVersion: null,
    evidence: "x",
  });

  test("lists the stores of each memory once", () => {
    const findings = [finding("a", "redis"), finding("b", "faiss"), finding("a", "faiss"), finding("a", "redis")];
    expect(storesByMemory(findings)).toEqual({ a: ["redis", "faiss"], b: ["faiss"] });
    expect(storesByMemory([])).toEqual({});
  });

  test("takes any id as a key of its own", () => {
    const ids = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const byMemory = storesByMemory(ids.map((id) => finding(id, "redis")));
    expect(JSON.parse(JSON.stringify(byMemory))).toEqual(
      JSON.parse('{"__proto__":["redis"],"constructor":["redis"],"toString":["redis"],"hasOwnProperty":["redis"]}'),
    );
    expect(Object.keys(byMemory)).toEqual(ids);
  });
});
