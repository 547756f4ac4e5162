import { expect, test } from "vitest";
import { keyText } from "../../../src/domain/keys.ts";
import type { CommittedVersion } from "../../../src/ledger/history-statements.ts";
import { put, tombstone } from "../../../src/testing/changes.ts";
import { type CommittedVersions, judgeStale } from "../../../src/write/stale.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";

/** Goal: a `stale` answer counts for a version that the ledger gave out, and for no other. */

const { signal } = new AbortController();

/** A ledger that gave out these versions of `m`. */
function ledgerOf(...versions: CommittedVersion[]): CommittedVersions {
  return {
    readCommitted: async (wanted) =>
      wanted.map(({ version }) => versions.find((candidate) => candidate.version === version) ?? null),
  };
}

const given = (version: number, content?: string): CommittedVersion => ({
  version,
  checksum: put("m", version, content === undefined ? {} : { content }).checksum,
  hasEmbedding: true,
});
const deletion = (version: number): CommittedVersion => ({ version, checksum: null, hasEmbedding: false });

const cases = [
  { title: "our own version", holds: put("m", 7), change: put("m", 7), ledger: ledgerOf(), proven: true },
  {
    title: "another's v8 over our v7",
    holds: put("m", 8),
    change: put("m", 7),
    ledger: ledgerOf(given(8)),
    proven: true,
  },
  {
    title: "another's v8 over our v7 while v9 is committed and not published",
    holds: put("m", 8),
    change: put("m", 7),
    ledger: ledgerOf(given(7), given(8), given(9)),
    proven: true,
  },
  {
    title: "another's deletion over our v7",
    holds: tombstone("m", 8),
    change: put("m", 7),
    ledger: ledgerOf(deletion(8)),
    proven: true,
  },
  {
    title: "our version with another content",
    holds: put("m", 7, { content: "lost" }),
    change: put("m", 7),
    ledger: ledgerOf(given(7)),
    proven: false,
  },
  {
    title: "a version that nobody gave out",
    holds: put("m", 9),
    change: put("m", 7),
    ledger: ledgerOf(given(7)),
    proven: false,
  },
  {
    title: "a newer version with another content",
    holds: put("m", 8, { content: "lost" }),
    change: put("m", 7),
    ledger: ledgerOf(given(7), given(8)),
    proven: false,
  },
  {
    title: "a lost deletion where a version stands now",
    holds: tombstone("m", 8),
    change: put("m", 7),
    ledger: ledgerOf(given(8)),
    proven: false,
  },
  {
    title: "a lost version where a deletion stands now",
    holds: put("m", 8),
    change: tombstone("m", 7),
    ledger: ledgerOf(deletion(7), deletion(8)),
    proven: false,
  },
];

test.each(cases)("$title: proven $proven", async ({ holds, change, ledger, proven }) => {
  const store = new InMemoryProjection("redis");
  await store.publish([holds], signal);
  const reasons = await judgeStale(ledger, store, [change], signal);
  expect(reasons.has(keyText(change))).toBe(!proven);
});

test("a store that answers stale and holds nothing has not taken the change", async () => {
  const reasons = await judgeStale(ledgerOf(given(7)), new InMemoryProjection("redis"), [put("m", 7)], signal);
  expect([...reasons.values()]).toEqual(["the store answered stale, and holds nothing under the key"]);
});

test("a memory without a vector counts where a store of vectors knows its version", async () => {
  const store = new InMemoryProjection("faiss");
  const plain = put("m", 8, { embedding: null });
  await store.publish([plain], signal);
  const ledger = ledgerOf({ version: 8, checksum: plain.checksum, hasEmbedding: false });
  expect(await judgeStale(ledger, store, [put("m", 7)], signal)).toEqual(new Map());
});

test("a second look finds what another writer published meanwhile", async () => {
  const store = new InMemoryProjection("redis");
  await store.publish([put("m", 8)], signal);
  // With no history kept, v8 is unknown once v9 is committed; v9 arrives between the looks.
  let looks = 0;
  const ledger: CommittedVersions = {
    readCommitted: async (wanted) => {
      if (++looks === 1) await store.publish([put("m", 9)], signal);
      return wanted.map(({ version }) => (version === 9 ? given(9) : null));
    },
  };
  expect(await judgeStale(ledger, store, [put("m", 7)], signal)).toEqual(new Map());
});
