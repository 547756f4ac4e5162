import { describe, expect, test } from "vitest";
import { decide } from "../../../src/conflict/decide.ts";
import { latestWins } from "../../../src/conflict/latest-wins.ts";
import { manual } from "../../../src/conflict/manual.ts";
import { merge } from "../../../src/conflict/merge.ts";
import { preferStore } from "../../../src/conflict/prefer-store.ts";
import type { Conflict, ConflictStrategy, Resolution } from "../../../src/conflict/strategy.ts";
import { versionVector } from "../../../src/conflict/version-vector.ts";
import type { MemoryDocument } from "../../../src/domain/memory.ts";
import type { StoreId } from "../../../src/domain/store-id.ts";
import { base, candidate, conflict, document, floats, tombstone } from "./conflicts.ts";

/** Method: the whole table. Rows: recorded conflicts. Columns: what each strategy makes of them. */

const COLUMNS = {
  latest_wins: latestWins,
  merge,
  version_vector: versionVector(),
  vector_or_merge: versionVector(merge, "vector_or_merge"),
  prefer_store: preferStore(),
  prefer_redis: preferStore(["redis"], "prefer_redis"),
} satisfies Record<string, ConflictStrategy>;

/** A store: its side is chosen. A document: it is written, with the embedding beside it. */
type Expected = StoreId | { readonly document: MemoryDocument; readonly embedding?: Float32Array };

interface Row {
  readonly given: Conflict;
  readonly expected: Record<keyof typeof COLUMNS, Expected>;
}

const everyone = (expected: Expected): Row["expected"] => ({
  latest_wins: expected,
  merge: expected,
  version_vector: expected,
  vector_or_merge: expected,
  prefer_store: expected,
  prefer_redis: expected,
});

const ROWS: Record<string, Row> = {
  "diverged, redis newer, no base": {
    given: conflict([
      candidate("postgres", { document: document({ content: "ledger" }), versionVector: { a: 2 } }),
      candidate("redis", { document: document({ content: "redis" }), modifiedAt: 2_000, versionVector: { a: 2 } }),
    ]),
    expected: { ...everyone("redis"), prefer_store: "postgres" },
  },
  "diverged, the ledger newer, no base": {
    given: conflict([
      candidate("postgres", { document: document({ content: "ledger" }), modifiedAt: 3_000, versionVector: { a: 2 } }),
      candidate("redis", { document: document({ content: "redis" }), modifiedAt: 2_000, versionVector: { a: 2 } }),
    ]),
    expected: { ...everyone("postgres"), prefer_redis: "redis" },
  },
  "ahead: only redis changed the base, and the ledger's clock is later": {
    given: conflict(
      [
        candidate("postgres", { version: 3, modifiedAt: 5_000, versionVector: { a: 3 } }),
        candidate("redis", { version: 7, document: document({ importance: 0.9 }), versionVector: { a: 3, b: 4 } }),
      ],
      { kind: "ahead", base: base() },
    ),
    expected: {
      latest_wins: "postgres",
      merge: "redis",
      version_vector: "redis",
      vector_or_merge: "redis",
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "an orphan in redis: the ledger that is preferred does not know it": {
    given: conflict([candidate("redis", { versionVector: { a: 1 } })], { kind: "orphan" }),
    expected: everyone("redis"),
  },
  "a newer tombstone in redis against a change in the ledger": {
    given: conflict(
      [
        candidate("postgres", { document: document({ content: "changed" }), versionVector: { a: 4 } }),
        tombstone("redis", { version: 5, modifiedAt: 9_000 }),
      ],
      { kind: "ahead", base: base() },
    ),
    expected: {
      latest_wins: "redis",
      merge: "postgres",
      version_vector: "redis",
      vector_or_merge: "postgres",
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "an older tombstone in redis, and the ledger unchanged since the base": {
    given: conflict([candidate("postgres", { modifiedAt: 9_000 }), tombstone("redis", { version: 5 })], {
      kind: "ahead",
      base: base(),
    }),
    expected: {
      latest_wins: "postgres",
      merge: "redis",
      version_vector: "postgres",
      vector_or_merge: "redis",
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "a newer tombstone in redis, and no base to say whether the ledger changed": {
    given: conflict([candidate("postgres"), tombstone("redis", { version: 5, modifiedAt: 9_000 })], { kind: "ahead" }),
    expected: {
      latest_wins: "redis",
      merge: "postgres",
      version_vector: "redis",
      vector_or_merge: "postgres",
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "a tombstone on every side": {
    given: conflict([tombstone("postgres", { versionVector: { a: 5 } }), tombstone("redis", { version: 5 })], {
      kind: "ahead",
      base: base(),
    }),
    expected: { ...everyone("redis"), prefer_store: "postgres" },
  },
  "equal times: the higher version": {
    given: conflict(
      [
        candidate("postgres", { version: 4, document: document({ content: "ledger" }) }),
        candidate("redis", { version: 6, document: document({ content: "redis" }) }),
      ],
      { kind: "ahead" },
    ),
    expected: { ...everyone("redis"), prefer_store: "postgres" },
  },
  "equal times and versions: the order of the stores, whatever their order here": {
    given: conflict([
      candidate("faiss", { document: document({ content: "faiss" }) }),
      candidate("redis", { document: document({ content: "redis" }) }),
      candidate("postgres", { document: document({ content: "ledger" }) }),
    ]),
    expected: { ...everyone("postgres"), prefer_redis: "redis" },
  },
  "equal times and versions: a store that the program does not know, as it was registered": {
    given: conflict(
      [
        candidate("keywords", { document: document({ content: "keywords" }) }),
        candidate("import", { document: document({ content: "import" }) }),
        candidate("archive", { document: document({ content: "archive" }) }),
      ],
      { kind: "orphan", precedence: ["postgres", "keywords", "archive", "import"] },
    ),
    expected: everyone("keywords"),
  },
  "a side without a modification time loses, for all its version": {
    given: conflict(
      [
        candidate("postgres", { modifiedAt: 1, document: document({ content: "ledger" }) }),
        candidate("redis", { modifiedAt: null, version: 9, document: document({ content: "redis" }) }),
      ],
      { kind: "ahead" },
    ),
    expected: { ...everyone("postgres"), prefer_redis: "redis" },
  },
  "no modification time anywhere": {
    given: conflict(
      [
        candidate("postgres", { modifiedAt: null, document: document({ content: "ledger" }) }),
        candidate("redis", { modifiedAt: Number.NaN, version: 9, document: document({ content: "redis" }) }),
      ],
      { kind: "ahead" },
    ),
    expected: { ...everyone("redis"), prefer_store: "postgres" },
  },
  "a modification time that is no number counts as none": {
    given: conflict([
      candidate("postgres", { modifiedAt: Number.NaN, version: 9, document: document({ content: "ledger" }) }),
      candidate("redis", { modifiedAt: Number.POSITIVE_INFINITY, version: 8, document: document() }),
      candidate("faiss", { modifiedAt: 1, document: document({ content: "faiss" }) }),
    ]),
    expected: { ...everyone("faiss"), prefer_store: "postgres", prefer_redis: "redis" },
  },
  "none of the stores that are preferred by name holds it": {
    given: conflict([candidate("faiss", { document: document({ content: "faiss" }) }), candidate("postgres")]),
    expected: everyone("postgres"),
  },
  "concurrent vectors, each side changed another field of the base": {
    given: conflict(
      [
        candidate("postgres", { document: document({ content: "ledger" }), versionVector: { a: 4, b: 1 } }),
        candidate("redis", {
          document: document({ importance: 0.9, expiresAt: "2031-01-01T00:00:00.000Z" }),
          modifiedAt: 2_000,
          versionVector: { a: 3, b: 2 },
        }),
      ],
      { base: base() },
    ),
    expected: {
      latest_wins: "redis",
      merge: { document: document({ content: "ledger", importance: 0.9, expiresAt: "2031-01-01T00:00:00.000Z" }) },
      version_vector: "redis",
      vector_or_merge: {
        document: document({ content: "ledger", importance: 0.9, expiresAt: "2031-01-01T00:00:00.000Z" }),
      },
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "a dominated vector loses although its side is newer": {
    given: conflict(
      [
        candidate("postgres", { document: document({ content: "ledger" }), versionVector: { a: 4, b: 2 } }),
        candidate("redis", {
          document: document({ content: "redis" }),
          modifiedAt: 9_000,
          versionVector: { a: 3, b: 2 },
        }),
      ],
      { base: base() },
    ),
    expected: {
      latest_wins: "redis",
      merge: "redis",
      version_vector: "postgres",
      vector_or_merge: "postgres",
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "three sides: a dominated one has no part in what the fallback decides": {
    given: conflict(
      [
        candidate("postgres", { document: document({ metadata: { ledger: 1 } }), versionVector: { a: 4, b: 1 } }),
        candidate("redis", { document: document({ metadata: { redis: 1 } }), versionVector: { a: 3, b: 2 } }),
        candidate("faiss", {
          document: document({ metadata: { faiss: 1 } }),
          modifiedAt: 9_000,
          versionVector: { a: 3, b: 1 },
        }),
      ],
      { base: base() },
    ),
    expected: {
      latest_wins: "faiss",
      merge: { document: document({ metadata: { ledger: 1, redis: 1, faiss: 1 } }) },
      version_vector: "postgres",
      vector_or_merge: { document: document({ metadata: { ledger: 1, redis: 1 } }) },
      prefer_store: "postgres",
      prefer_redis: "redis",
    },
  },
  "nested metadata with a base: changed, added, removed, removed against changed": {
    given: conflict(
      [
        candidate("postgres", {
          document: document({
            metadata: { kept: 1, source: { url: "ledger", seen: 1, rank: 3 }, tags: ["ledger"], gone: 1, fought: 2 },
          }),
        }),
        candidate("redis", {
          document: document({
            metadata: { kept: 1, source: { url: "base", seen: 2, lang: "en" }, tags: ["redis"], added: { deep: true } },
          }),
          modifiedAt: 2_000,
        }),
      ],
      {
        base: base({
          metadata: { kept: 1, source: { url: "base", seen: 1, rank: 3 }, tags: ["base"], gone: 1, fought: 1 },
        }),
      },
    ),
    expected: {
      ...everyone("redis"),
      merge: {
        document: document({
          metadata: {
            kept: 1,
            source: { url: "ledger", seen: 2, lang: "en" },
            tags: ["redis"],
            added: { deep: true },
            fought: 2,
          },
        }),
      },
      vector_or_merge: {
        document: document({
          metadata: {
            kept: 1,
            source: { url: "ledger", seen: 2, lang: "en" },
            tags: ["redis"],
            added: { deep: true },
            fought: 2,
          },
        }),
      },
      prefer_store: "postgres",
    },
  },
  "nested metadata without a base: the keys of all, the newest first": {
    given: conflict([
      candidate("postgres", {
        document: document({ metadata: { a: 1, both: { x: "ledger", y: 1 }, shape: { was: "object" } } }),
      }),
      candidate("redis", {
        document: document({ metadata: { b: 2, both: { x: "redis" }, shape: null } }),
        modifiedAt: 2_000,
      }),
    ]),
    expected: {
      ...everyone("redis"),
      merge: { document: document({ metadata: { a: 1, b: 2, both: { x: "redis", y: 1 }, shape: null } }) },
      vector_or_merge: { document: document({ metadata: { a: 1, b: 2, both: { x: "redis", y: 1 }, shape: null } }) },
      prefer_store: "postgres",
    },
  },
  "the embedding and its model go with the content that won": {
    given: conflict(
      [
        candidate("postgres", {
          document: document({ content: "ledger", embeddingModel: "one" }),
          embedding: floats(1, 0),
        }),
        candidate("redis", {
          document: document({ importance: 1, embeddingModel: "two" }),
          embedding: floats(0, 1),
          modifiedAt: 2_000,
        }),
      ],
      { base: base({ embeddingModel: "one" }, floats(0.5, 0.5)) },
    ),
    expected: {
      ...everyone("redis"),
      merge: {
        document: document({ content: "ledger", importance: 1, embeddingModel: "one" }),
        embedding: floats(1, 0),
      },
      vector_or_merge: {
        document: document({ content: "ledger", importance: 1, embeddingModel: "one" }),
        embedding: floats(1, 0),
      },
      prefer_store: "postgres",
    },
  },
  "one side embedded the same content anew, the other one changed a field": {
    given: conflict(
      [
        candidate("postgres", { document: document({ embeddingModel: "two" }), embedding: floats(0, 1) }),
        candidate("redis", {
          document: document({ memoryType: "semantic", embeddingModel: "one" }),
          embedding: floats(1, 0),
          modifiedAt: 2_000,
        }),
      ],
      { base: base({ embeddingModel: "one" }, floats(1, 0)) },
    ),
    expected: {
      ...everyone("redis"),
      merge: { document: document({ memoryType: "semantic", embeddingModel: "two" }), embedding: floats(0, 1) },
      vector_or_merge: {
        document: document({ memoryType: "semantic", embeddingModel: "two" }),
        embedding: floats(0, 1),
      },
      prefer_store: "postgres",
    },
  },
  "the same content on both sides, and the newer one has no vector for it": {
    given: conflict([
      candidate("postgres", { document: document({ embeddingModel: "one" }), embedding: floats(1, 0) }),
      candidate("redis", { document: document({ importance: 1 }), modifiedAt: 2_000 }),
    ]),
    expected: {
      ...everyone("redis"),
      merge: { document: document({ importance: 1, embeddingModel: "one" }), embedding: floats(1, 0) },
      vector_or_merge: { document: document({ importance: 1, embeddingModel: "one" }), embedding: floats(1, 0) },
      prefer_store: "postgres",
    },
  },
  "both sides came to the same new content, and the newer one kept the vector of the old": {
    given: conflict(
      [
        candidate("postgres", { document: document({ content: "new" }), embedding: floats(0, 1) }),
        candidate("redis", {
          document: document({ content: "new", importance: 1 }),
          embedding: floats(1, 0),
          modifiedAt: 2_000,
        }),
      ],
      { base: base({}, floats(1, 0)) },
    ),
    expected: {
      ...everyone("redis"),
      merge: { document: document({ content: "new", importance: 1 }), embedding: floats(0, 1) },
      vector_or_merge: { document: document({ content: "new", importance: 1 }), embedding: floats(0, 1) },
      prefer_store: "postgres",
    },
  },
  "nothing differs but the sign of a zero in the vector": {
    given: conflict([
      candidate("postgres", { embedding: floats(0, 1) }),
      candidate("redis", { embedding: floats(-0, 1), modifiedAt: 2_000 }),
    ]),
    expected: { ...everyone("redis"), prefer_store: "postgres" },
  },
  "both sides changed the privacy: merged, the stricter one holds for what both wrote": {
    given: conflict(
      [
        candidate("postgres", { document: document({ content: "secret", privacy: "local_only" }) }),
        candidate("redis", { document: document({ importance: 1, privacy: "redacted" }), modifiedAt: 2_000 }),
      ],
      { base: base() },
    ),
    expected: {
      ...everyone("redis"),
      merge: { document: document({ content: "secret", importance: 1, privacy: "local_only" }) },
      vector_or_merge: { document: document({ content: "secret", importance: 1, privacy: "local_only" }) },
      prefer_store: "postgres",
    },
  },
};

describe.each(Object.entries(ROWS))("%s", (_, { given, expected }) => {
  test.each(Object.keys(COLUMNS) as (keyof typeof COLUMNS)[])("%s", async (name) => {
    const { note, ...resolution } = await decide(COLUMNS[name], given);
    expect(resolution).toStrictEqual(asResolution(expected[name]));
    expect(note).toMatch(/\w/);
  });

  test("manual keeps it pending", async () => {
    expect(await decide(manual, given)).toStrictEqual({ action: "pending", note: "kept for a person to decide" });
  });
});

function asResolution(expected: Expected): Resolution {
  if (typeof expected === "string") return { action: "choose", store: expected };
  return { action: "write", document: expected.document, embedding: expected.embedding ?? null };
}

test("a note tells what decided", async () => {
  const note = async (name: keyof typeof COLUMNS, row: string) =>
    (await decide(COLUMNS[name], (ROWS[row] as Row).given)).note;
  expect(await note("latest_wins", "diverged, redis newer, no base")).toBe("redis was modified last (1000 ms later)");
  expect(await note("latest_wins", "equal times: the higher version")).toBe(
    "modified at the same time; redis has the higher version, 6",
  );
  expect(await note("version_vector", "a dominated vector loses although its side is newer")).toBe(
    "postgres includes all other writes",
  );
  expect(await note("vector_or_merge", "concurrent vectors, each side changed another field of the base")).toBe(
    "postgres and redis have concurrent writes; merge: merged, from version 3; content of postgres; " +
      "importance of redis; expiresAt of redis",
  );
  expect(await note("merge", "a newer tombstone in redis against a change in the ledger")).toBe(
    "a change wins over a deletion; only postgres holds it",
  );
});
