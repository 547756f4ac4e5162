import { expect, test } from "vitest";
import { MemorySynchronizer, ValidationError } from "../../src/index.ts";
import { sharedWorld } from "../support/world.ts";

/** Goal: what breaks a rule is refused with a message that names the field, and nothing is written anywhere. */

const shared = sharedWorld({ faiss: { model: "model-a" } });

const vector = (changes: Record<number, number>) => Object.assign([1, 2, 3, 4, 5, 6, 7, 8], changes);
const circular: Record<string, unknown> = {};
circular.self = circular;

/** What is wrong, the field that the error names, and what its message says. */
const CASES: [what: string, fields: Record<string, unknown>, path: string, message: RegExp][] = [
  [
    "a vector of another dimension",
    { embedding: [1, 2, 3] },
    "embedding",
    /has 3 numbers, and the index holds vectors of 8/,
  ],
  ["NaN in the vector", { embedding: vector({ 3: Number.NaN }) }, "embedding[3]", /NaN is not a finite float32/],
  ["infinity in the vector", { embedding: vector({ 0: Infinity }) }, "embedding[0]", /Infinity is not a finite/],
  ["a number beyond float32", { embedding: vector({ 7: 1e39 }) }, "embedding[7]", /1e\+39 is not a finite float32/],
  ["a vector of zeros under cosine", { embedding: Array(8).fill(0) }, "embedding", /all zeros/],
  ["NUL in the content", { content: "a\u0000b" }, "content", /NUL character at index 1/],
  ["NUL in a metadata value", { metadata: { a: { b: ["\u0000"] } } }, "metadata.a.b[0]", /NUL character/],
  ["NUL in a metadata key", { metadata: { "a\u0000": 1 } }, "key of metadata.a\u0000", /NUL character/],
  ["half of a character", { content: "\ud83d" }, "content", /lone surrogate/],
  ["an unknown field", { colour: "red" }, "colour", /unknown field "colour".*metadata/],
  [
    "2 MiB of content",
    { content: "x".repeat(2 * 1024 * 1024) },
    "content",
    /2097152 bytes, and at most 1048576 are allowed/,
  ],
  ["a namespace with a colon", { namespace: "a:b" }, "namespace", /expected 1 to 128.*found "a:b"/],
  ["no content", { content: undefined }, "content", /expected string/],
  ["importance above 1", { importance: 1.01 }, "importance", /1/],
  ["metadata that is no object", { metadata: ["a"] }, "metadata", /expected a JSON object/],
  [
    "metadata with a cycle",
    { metadata: circular },
    expect.stringMatching(/^metadata\.self\./) as unknown as string,
    /cycle/,
  ],
  [
    "metadata of 256 KiB and more",
    { metadata: { text: "x".repeat(262_144) } },
    "metadata",
    /at most 262144 are allowed/,
  ],
  ["another model than the index's", { embeddingModel: "model-b" }, "embeddingModel", /"model-b".*"model-a"/],
  ["an unknown privacy", { privacy: "secret" }, "privacy", /full/],
  // Fails: the message is that of the inner schema, "Invalid ISO datetime".
  ["an expiry that is no time", { expiresAt: "tomorrow" }, "expiresAt", /ISO-8601/],
];

test.each(CASES)("%s is refused by syncMemory, and no store shows a trace", async (_, fields, path, message) => {
  const world = shared.current;
  await world.sync.syncMemory("there-before", { content: "x", memoryType: "note" });
  const before = await world.footprint();
  const { memoryId, ...valid } = world.memory(1);
  const error = await world.sync.syncMemory(memoryId, { ...valid, ...fields }).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ValidationError);
  expect(error).toMatchObject({ code: "VALIDATION", retryable: false, path });
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).toContain((error as ValidationError).path);
  expect(await world.footprint()).toEqual(before);
});

test("the same ones in a batch fail one by one, and the stores show only the good one among them", async () => {
  const world = shared.current;
  const good = { ...world.memory(2), memoryId: "good" };
  const before = await world.footprint();
  const bad = CASES.map(([, fields], number) => ({ ...world.memory(3), memoryId: `bad-${number}`, ...fields }));
  const outcomes = await world.sync.syncBatch([...bad, good]);
  expect(outcomes.map(({ status }) => status)).toEqual([...CASES.map(() => "failed"), "synced"]);
  outcomes.slice(0, -1).forEach(({ memoryId, error }, number) => {
    expect(memoryId).toBe(`bad-${number}`);
    expect(error).toMatchObject({ code: "VALIDATION", path: CASES[number]![2] });
  });
  const after = await world.footprint();
  expect(after).toEqual({
    ...before,
    ledger: [...before.ledger, "default/good@1"].sort(),
    redis: [...before.redis, `${world.redisKey("good")}@1`].sort(),
    documents: before.documents + 1,
    transactions: before.transactions + 1,
    vectors: before.vectors! + 1,
  });
});

test.each([
  ["an empty id", "", /must not be empty/],
  ["an id of 513 bytes", "é".repeat(257), /514 bytes, and at most 512/],
  ["an id with NUL", "a\u0000", /NUL/],
])("%s is refused by every call that takes one", async (_, memoryId, message) => {
  const { sync } = shared.current;
  const before = await shared.current.footprint();
  for (const call of [
    () => sync.syncMemory(memoryId, { content: "x", memoryType: "note" }),
    () => sync.get(memoryId),
    () => sync.delete(memoryId),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: "VALIDATION", path: "memoryId" });
    await expect(call()).rejects.toThrow(message);
  }
  expect(await shared.current.footprint()).toEqual(before);
});

// Fails: it is not validated.
test("an expectedVersion that is no version is refused rather than taken for a conflict", async () => {
  const world = shared.current;
  for (const expectedVersion of [-1, 1.5, Number.NaN]) {
    await expect(world.put(world.memory(4), { expectedVersion })).rejects.toMatchObject({
      code: "VALIDATION",
      path: "expectedVersion",
    });
    await expect(world.sync.delete("m4", { expectedVersion })).rejects.toMatchObject({ path: "expectedVersion" });
  }
});

test("an unknown option of connect is refused with the nearest one's name", async () => {
  const options = { ...shared.current.connectOptions, redisPrefx: "x" };
  await expect(MemorySynchronizer.connect(options)).rejects.toThrow(
    /unknown option redisPrefx; did you mean redisPrefix\?/,
  );
});
