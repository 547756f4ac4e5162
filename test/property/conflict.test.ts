import { describe, expect, test } from "vitest";
import { decide } from "../../src/conflict/decide.ts";
import { merge } from "../../src/conflict/merge.ts";
import { StrategyRegistry } from "../../src/conflict/registry.ts";
import type { Candidate, Conflict, ConflictBase, Resolution } from "../../src/conflict/strategy.ts";
import { versionVector } from "../../src/conflict/version-vector.ts";
import type { JsonObject, JsonValue } from "../../src/domain/json.ts";
import type { MemoryDocument, Privacy } from "../../src/domain/memory.ts";
import type { StoreId } from "../../src/domain/store-id.ts";
import { compareVectors } from "../../src/domain/version-vector.ts";
import { jsonObject, spell, text, vector } from "../support/arbitraries.ts";
import fc from "../support/properties.ts";

/**
 * Goal: laws that hold for every conflict. Method: values out of small pools, so that sides agree, tie and overlap often;
 * wild ones (any JSON, `__proto__` as a key) mixed in. What is expected is worked out here apart from the code under test.
 */

const registry = new StrategyRegistry();
const strategies = [...registry.names().map((name) => registry.get(name)), versionVector(merge, "vector_or_merge")];

const smallMetadata: fc.Arbitrary<JsonObject> = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof({ maxDepth: 2 }, fc.constantFrom<JsonValue>(0, 1, "x", null, [], [1]), tie("object")),
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), tie("value"), {
    noNullPrototype: true,
    maxKeys: 3,
  }),
})).object;

interface Content {
  readonly document: MemoryDocument;
  readonly embedding: Float32Array | null;
}

const content: fc.Arbitrary<Content> = fc.record({
  document: fc.record(
    {
      content: fc.oneof({ weight: 5, arbitrary: fc.constantFrom("p", "q", "r") }, { weight: 1, arbitrary: text(8) }),
      memoryType: fc.constantFrom("t", "u"),
      importance: fc.constantFrom(0, 0.5, 1),
      metadata: fc.oneof({ weight: 5, arbitrary: smallMetadata }, { weight: 1, arbitrary: jsonObject }),
      privacy: fc.constantFrom<Privacy>("full", "redacted", "local_only"),
      embeddingModel: fc.constantFrom("one", "two"),
      expiresAt: fc.constantFrom("2031-01-01T00:00:00.000Z", "2032-01-01T00:00:00.000Z"),
    },
    { requiredKeys: ["content", "memoryType", "importance", "metadata", "privacy"] },
  ) as fc.Arbitrary<MemoryDocument>,
  embedding: fc.option(fc.oneof(fc.constantFrom(Float32Array.of(0, 1), Float32Array.of(-0, 1)), vector(2))),
});

const DELETED = { document: null, embedding: null };

const PRECEDENCE: readonly StoreId[] = ["postgres", "redis", "faiss"];

const stores = fc.shuffledSubarray<StoreId>([...PRECEDENCE], { minLength: 1 });

/** One candidate per store, in any order, with what `contents` gives. */
function candidatesOf(contents: fc.Arbitrary<Content | typeof DELETED>): fc.Arbitrary<Candidate[]> {
  const counters = fc.dictionary(fc.constantFrom("n", "m"), fc.nat(2), { noNullPrototype: true });
  const stamp = fc.record({
    version: fc.integer({ min: 1, max: 3 }),
    modifiedAt: fc.option(fc.nat(2), { freq: 4 }),
    versionVector: fc.option(counters, { freq: 4 }),
  });
  return stores.chain((names) =>
    fc.tuple(...names.map((store) => fc.tuple(stamp, contents).map(([time, held]) => ({ store, ...time, ...held })))),
  );
}

const base: fc.Arbitrary<ConflictBase | null> = fc.option(
  fc.oneof({ weight: 4, arbitrary: content }, { weight: 1, arbitrary: fc.constant(DELETED) }).map((held) => ({
    version: 1,
    ...held,
  })),
  { freq: 3 },
);

/** Any conflict; its sides often are the base with few changes, or the base itself. */
const conflict: fc.Arbitrary<Conflict> = base.chain((from) => {
  const origin: Content | null = from === null || from.document === null ? null : { ...from, document: from.document };
  const touched =
    origin === null
      ? content
      : fc.tuple(content, fc.subarray([...FIELDS])).map(([other, fields]) => withFields(origin, other, fields));
  const side = fc.oneof(
    { weight: 6, arbitrary: touched },
    { weight: 2, arbitrary: content },
    { weight: 1, arbitrary: fc.constant(DELETED) },
  );
  return fc.record({
    namespace: fc.constant("default"),
    memoryId: fc.constant("m"),
    kind: fc.constantFrom<Conflict["kind"]>("ahead", "diverged", "orphan"),
    base: fc.constant(from),
    candidates: candidatesOf(side),
    precedence: fc.constant(PRECEDENCE),
  });
});

const FIELDS = [
  "content",
  "memoryType",
  "importance",
  "metadata",
  "privacy",
  "embeddingModel",
  "expiresAt",
  "embedding",
] as const;

function withFields(origin: Content, other: Content, fields: readonly (typeof FIELDS)[number][]): Content {
  const document: Record<string, unknown> = { ...origin.document };
  for (const field of fields) {
    if (field === "embedding") continue;
    delete document[field];
    if (other.document[field] !== undefined) document[field] = other.document[field];
  }
  const embedding = fields.includes("embedding") ? other.embedding : origin.embedding;
  return { document: document as unknown as MemoryDocument, embedding };
}

/** What every store holds afterwards; undefined where nothing was decided. */
function outcome(given: Conflict, resolution: Resolution): Content | typeof DELETED | undefined {
  if (resolution.action === "write") return resolution;
  if (resolution.action !== "choose") return undefined;
  const chosen = given.candidates.find((candidate) => candidate.store === resolution.store);
  return chosen === undefined || chosen.document === null ? DELETED : { ...chosen, document: chosen.document };
}

/** One text per resolution, its note apart. */
function spellResolution(resolution: Resolution): string {
  if (resolution.action === "write") return `write ${spellContent(resolution)}`;
  return resolution.action === "choose" ? `choose ${resolution.store}` : resolution.action;
}

/** One text per content: documents by their JSON, vectors by their bits. */
function spellContent({ document, embedding }: Content | typeof DELETED): string {
  return `${spell(document)} ${spellVector(embedding)}`;
}

function spellVector(embedding: Float32Array | null): string {
  return embedding === null ? "none" : Buffer.from(embedding.slice().buffer).toString("hex");
}

const isLive = (candidate: Candidate): candidate is Candidate & Content => candidate.document !== null;

/** Newest first, by the rules of `latest_wins`, one at a time. */
function byAge<Side extends Candidate>(candidates: readonly Side[]): Side[] {
  const order = ["faiss", "redis", "postgres"];
  const older = (a: Side, b: Side): boolean => {
    if ((a.modifiedAt ?? -1) !== (b.modifiedAt ?? -1)) return (a.modifiedAt ?? -1) < (b.modifiedAt ?? -1);
    if (a.version !== b.version) return a.version < b.version;
    return order.indexOf(a.store) < order.indexOf(b.store);
  };
  return [...candidates].sort((a, b) => (older(a, b) ? 1 : -1));
}

/** Every leaf of a JSON value with the keys that lead to it; an empty object is a leaf, an array too. */
function leaves(value: JsonValue, path: readonly string[] = []): string[] {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || Object.keys(value).length === 0) return [`${JSON.stringify(path)} ${spell(value)}`];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
}

async function check(property: (given: Conflict) => Promise<void>, numRuns = 1_000): Promise<void> {
  await fc.assert(fc.asyncProperty(conflict, property), { numRuns });
}

describe("every strategy", () => {
  test.each(strategies.map((strategy) => [strategy.name, strategy] as const))(
    "%s is deterministic, and the order of the candidates is irrelevant",
    async (_, strategy) => {
      await fc.assert(
        fc.asyncProperty(conflict, fc.uniqueArray(fc.nat(9), { minLength: 3, maxLength: 3 }), async (given, ranks) => {
          const ranked = given.candidates.map((candidate, index) => ({ candidate, rank: ranks[index] as number }));
          const candidates = ranked.sort((a, b) => a.rank - b.rank).map(({ candidate }) => candidate);
          const first = await decide(strategy, given);
          const again = await decide(strategy, given);
          expect([spellResolution(again), again.note]).toEqual([spellResolution(first), first.note]);
          const shuffled = await decide(strategy, { ...given, candidates });
          expect(spellResolution(shuffled)).toBe(spellResolution(first));
        }),
        { numRuns: 400 },
      );
    },
  );

  test.each(strategies.map((strategy) => [strategy.name, strategy] as const))(
    "%s answers with nothing that is in no candidate, and only manual leaves it open",
    async (name, strategy) => {
      await check(async (given) => {
        const resolution = await decide(strategy, given);
        expect(resolution.action === "pending", resolution.note).toBe(name === "manual");
        const after = outcome(given, resolution);
        if (after === undefined) return;
        if (resolution.action === "choose") {
          expect(given.candidates.map((candidate) => candidate.store)).toContain(resolution.store);
          return;
        }
        expect(["merge", "vector_or_merge"]).toContain(name);
        const live = given.candidates.filter(isLive);
        for (const field of ["memoryType", "importance", "privacy", "expiresAt"] as const) {
          expect(live.map((side) => side.document[field])).toContain(after.document?.[field]);
        }
        const embedded = (side: Content | typeof DELETED) =>
          JSON.stringify([side.document?.content, side.document?.embeddingModel, spellVector(side.embedding)]);
        expect(live.map(embedded)).toContain(embedded(after));
        const known = new Set(live.flatMap((side) => leaves(side.document.metadata)));
        for (const leaf of leaves(after.document?.metadata ?? {})) {
          // An object may have lost its keys one by one, each removed by some side.
          if (!leaf.endsWith(" {}")) expect(known).toContain(leaf);
        }
      }, 600);
    },
  );
});

describe("latest_wins", () => {
  test("picks a side that no other is newer than", async () => {
    await check(async (given) => {
      const resolution = await decide(registry.get("latest_wins"), given);
      expect(resolution).toMatchObject({ action: "choose", store: byAge(given.candidates)[0]?.store });
    });
  });
});

describe("version_vector", () => {
  test.each(["latest_wins", "merge", "prefer_store"])("never lets a dominated side win over %s", async (fallback) => {
    const strategy = versionVector(registry.get(fallback));
    await check(async (given) => {
      const includes = (a: Candidate, b: Candidate) =>
        a.versionVector !== null &&
        b.versionVector !== null &&
        compareVectors(a.versionVector, b.versionVector) === "after";
      const resolution = await decide(strategy, given);
      const dominant = given.candidates.find((candidate) =>
        given.candidates.every((other) => other === candidate || includes(candidate, other)),
      );
      if (dominant !== undefined) expect(resolution).toMatchObject({ action: "choose", store: dominant.store });
      if (resolution.action !== "choose") return;
      const chosen = given.candidates.find((candidate) => candidate.store === resolution.store) as Candidate;
      expect(given.candidates.filter((other) => includes(other, chosen))).toEqual([]);
    });
  });
});

describe("merge", () => {
  test("of sides that say the same is what they say, whatever the base", async () => {
    const given = fc.tuple(content, base).chain(([held, from]) =>
      fc.record({
        namespace: fc.constant("default"),
        memoryId: fc.constant("m"),
        kind: fc.constant("diverged" as const),
        base: fc.constant(from),
        // Equal, not identical.
        candidates: candidatesOf(fc.constant(held).map((same) => structuredClone(same))),
        precedence: fc.constant(PRECEDENCE),
      }),
    );
    await fc.assert(
      fc.asyncProperty(given, async (same) => {
        const after = outcome(same, await decide(merge, same));
        expect(after && spellContent(after)).toBe(spellContent(same.candidates[0] as Content));
      }),
      { numRuns: 1_000 },
    );
  });

  test("with a side that changed nothing is what the other side says, be it a deletion", async () => {
    const changed = fc.oneof({ weight: 5, arbitrary: content }, { weight: 1, arbitrary: fc.constant(DELETED) });
    await fc.assert(
      fc.asyncProperty(content, changed, fc.tuple(fc.nat(2), fc.nat(2)), async (from, other, [a, b]) => {
        const stamp = { version: 2, versionVector: null };
        const given: Conflict = {
          namespace: "default",
          memoryId: "m",
          kind: "diverged",
          base: { version: 1, ...from },
          precedence: PRECEDENCE,
          candidates: [
            { store: "postgres", modifiedAt: a, ...stamp, ...structuredClone(from) },
            { store: "redis", modifiedAt: b, ...stamp, ...other },
          ],
        };
        const after = outcome(given, await decide(merge, given));
        expect(after && spellContent(after)).toBe(spellContent(other));
      }),
      { numRuns: 1_000 },
    );
  });

  test("has each field from the newest side that changed it, privacy from the strictest, a vector that fits", async () => {
    await check(async (given) => {
      const live = byAge(given.candidates.filter(isLive));
      const after = outcome(given, await decide(merge, given));
      if (after === undefined || after.document === null) return;
      const before = given.base?.document ?? null;
      for (const field of ["content", "memoryType", "importance", "expiresAt"] as const) {
        const values = live.map((side) => side.document[field]);
        const changes = values.filter((value) => before === null || value !== before[field]);
        expect(after.document[field]).toBe((changes.length > 0 ? changes : values)[0]);
      }
      const pair = (side: Content) => JSON.stringify([side.document.embeddingModel, spellVector(side.embedding)]);
      const from = before === null ? null : pair(given.base as Content);
      const fitting = live.filter((side) => side.document.content === after.document.content);
      const embedded = fitting.filter((side) => pair(side) !== from);
      const source = embedded.find((side) => side.embedding !== null) ?? embedded[0] ?? fitting[0];
      expect(pair(after)).toBe(source && pair(source));
      const levels = live.map((side) => side.document.privacy).filter((level) => level !== before?.privacy);
      const strictest = (["local_only", "redacted", "full"] as const).find((level) => levels.includes(level));
      expect(after.document.privacy).toBe(strictest ?? before?.privacy);
    });
  });

  test("deletes only where no side changed anything", async () => {
    await check(async (given) => {
      const after = outcome(given, await decide(merge, given));
      const live = given.candidates.filter(isLive);
      const deleted = live.length < given.candidates.length;
      const from = given.base?.document === null ? null : (given.base as Content | null);
      const unchanged = live.every((side) => from !== null && spellContent(side) === spellContent(from));
      expect(after?.document === null).toBe(deleted && (live.length === 0 || unchanged));
    });
  });

  test("keeps every metadata key of every side where no base says that it was removed", async () => {
    const keys = (value: JsonObject): string[] => Object.keys(value);
    await check(async (given) => {
      const after = outcome(given, await decide(merge, given));
      if (after === undefined || after.document === null) return;
      const live = given.candidates.filter(isLive);
      const before = given.base?.document?.metadata;
      const own = (object: JsonObject, key: string) => (Object.hasOwn(object, key) ? object[key] : undefined);
      const expected = new Set(live.flatMap((side) => keys(side.document.metadata)));
      for (const key of before === undefined ? [] : keys(before)) {
        const values = live.map((side) => own(side.document.metadata, key));
        const changed = values.some((value) => value !== undefined && spell(value) !== spell(own(before!, key)));
        if (values.includes(undefined) && !changed) expected.delete(key);
      }
      expect(keys(after.document.metadata).sort()).toEqual([...expected].sort());
    });
  });
});
