import { describe, expect, test } from "vitest";
import { openWorld, sharedWorld } from "../support/world.ts";

const shared = sharedWorld();
const FIELDS = { content: "first", memoryType: "semantic", importance: 0.25, metadata: { a: 1, b: { c: 2, d: 3 } } };

async function written(memoryId: string, more: object = {}) {
  const { sync, dimension } = shared.current;
  const embedding = Array.from({ length: dimension }, (_, index) => index + 1);
  await sync.syncMemory(memoryId, { ...FIELDS, privacy: "redacted", embedding, embeddingModel: "m", ...more });
  return { sync, embedding: Float32Array.from(embedding) };
}

describe("patch", () => {
  test("changes what is named and keeps the rest, metadata entry by entry", async () => {
    const { sync, embedding } = await written("kept", { expiresAt: "2999-01-01T00:00:00.000Z" });
    const outcome = await sync.patch("kept", { importance: 0.75, metadata: { b: { c: null, e: [4] }, a: null } });
    expect(outcome).toMatchObject({ status: "synced", version: 2, stores: { faiss: "applied" } });
    expect(outcome.embeddingDropped).toBeUndefined();
    const expected = {
      ...{ ...FIELDS, importance: 0.75, metadata: { b: { d: 3, e: [4] } } },
      ...{ privacy: "redacted", embeddingModel: "m", expiresAt: "2999-01-01T00:00:00.000Z", embedding },
    };
    expect(await sync.get("kept")).toMatchObject(expected);
    await sync.patch("kept", { expiresAt: null, metadata: null, embeddingModel: null, content: undefined });
    const after = await sync.get("kept");
    expect(after).toMatchObject({ metadata: {}, importance: 0.75, embedding });
    expect([after?.expiresAt, after?.embeddingModel]).toEqual([undefined, undefined]);
    expect((await sync.patch("kept", { importance: 0.75 })).status).toBe("unchanged");
  });

  test("another content needs a new vector or a choice, and the outcome tells what was dropped", async () => {
    const { sync, embedding } = await written("content");
    await expect(sync.patch("content", { content: "second" })).rejects.toMatchObject({
      code: "VALIDATION",
      path: "embedding",
      message: expect.stringMatching(/"keep".*"drop"/),
    });
    expect((await sync.get("content"))?.version).toBe(1);
    expect((await sync.patch("content", { content: "first" })).status).toBe("unchanged");
    const kept = await sync.patch("content", { content: "second" }, { embedding: "keep" });
    expect(kept).toMatchObject({ version: 2, stores: { faiss: "applied" } });
    expect(await sync.get("content")).toMatchObject({ content: "second", embedding, embeddingModel: "m" });
    const other = embedding.toReversed();
    await sync.patch("content", { content: "third", embedding: other });
    expect(await sync.get("content")).toMatchObject({ content: "third", embedding: other });
    const dropped = await sync.patch("content", { content: "fourth" }, { embedding: "drop" });
    expect(dropped).toMatchObject({ embeddingDropped: true, stores: { faiss: "not_applicable" } });
    const after = await sync.get("content");
    expect([after?.content, after?.embedding, after?.embeddingModel]).toEqual(["fourth", null, undefined]);
    expect((await sync.patch("content", { content: "fifth" })).status).toBe("synced");
  });

  test("an embedder makes the new vector of a new content, unless the caller chose", async (t) => {
    const texts: string[] = [];
    const embedder = {
      ...{ model: "letters", dimension: 8 },
      embed: async (batch: readonly string[]) => {
        texts.push(...batch);
        return batch.map((text) =>
          Float32Array.from({ length: 8 }, (_, index) => text.charCodeAt(index % text.length)),
        );
      },
    };
    const { sync } = await openWorld(t, { settings: { embedder } });
    await sync.syncMemory("e", { content: "one", memoryType: "t" });
    const first = await sync.get("e");
    await sync.patch("e", { importance: 1 });
    expect(texts).toEqual(["one"]);
    await sync.patch("e", { content: "two" });
    expect(texts).toEqual(["one", "two"]);
    const second = await sync.get("e");
    expect(second?.embeddingModel).toBe("letters");
    expect(second?.embedding).not.toEqual(first?.embedding);
    await sync.patch("e", { content: "three" }, { embedding: "keep" });
    expect((await sync.get("e"))?.embedding).toEqual(second?.embedding);
    expect(await sync.patch("e", { content: "four" }, { embedding: "drop" })).toMatchObject({ embeddingDropped: true });
    await sync.patch("e", { metadata: { x: 1 } });
    expect((await sync.get("e"))?.embedding).toBeNull();
    expect(texts).toEqual(["one", "two"]);
    await sync.patch("e", { content: "five" });
    await expect(sync.patch("e", { content: "" })).rejects.toMatchObject({ path: "embedding" });
  });

  test("patches of many callers at once all arrive", async () => {
    const { sync } = await written("raced");
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, number) => sync.patch("raced", { metadata: { [`n${number}`]: number } })),
    );
    expect(outcomes.map(({ version }) => version).sort((a, b) => a - b)).toEqual(outcomes.map((_, index) => index + 2));
    const memory = await sync.get("raced");
    expect(Object.keys(memory?.metadata ?? {})).toHaveLength(14);
  });

  test("under expectedVersion a patch happens at that version or not at all", async () => {
    const { sync } = await written("conditional");
    await sync.patch("conditional", { importance: 1 }, { expectedVersion: 1 });
    await expect(sync.patch("conditional", { importance: 0 }, { expectedVersion: 1 })).rejects.toMatchObject({
      ...{ code: "VERSION_CONFLICT", expectedVersion: 1, foundVersion: 2 },
      current: expect.objectContaining({ importance: 1 }),
    });
  });

  test("a repeat under an idempotency key returns the first outcome, and another patch under it is refused", async () => {
    const { sync } = await written("repeated");
    const call = { idempotencyKey: "patch-1" };
    const first = await sync.patch("repeated", { metadata: { n: 1 } }, call);
    await sync.patch("repeated", { importance: 1 });
    const again = await sync.patch("repeated", { metadata: { n: 1 } }, call);
    expect([again.version, again.transactionId]).toEqual([first.version, first.transactionId]);
    expect((await sync.get("repeated"))?.version).toBe(3);
    await expect(sync.patch("repeated", { metadata: { n: 2 } }, call)).rejects.toMatchObject({
      code: "IDEMPOTENCY_KEY_REUSED",
    });
    const conditional = { idempotencyKey: "patch-2", expectedVersion: 3 };
    const second = await sync.patch("repeated", { importance: 0 }, conditional);
    expect(await sync.patch("repeated", { importance: 0 }, conditional)).toMatchObject({ version: second.version });
  });

  test("refuses what is not there, and changes that no memory can have, by name", async () => {
    const { sync } = await written("refused");
    await expect(sync.patch("never-written", { importance: 1 })).rejects.toMatchObject({ code: "NOT_FOUND" });
    const refused: [object, object, string][] = [
      [{ contents: "x" }, {}, "contents"],
      [{ content: null }, {}, "content"],
      [{ importance: 7 }, {}, "importance"],
      [{ metadata: [1] }, {}, "metadata"],
      [{ metadata: { a: { b: Number.NaN } } }, {}, "metadata.a.b"],
      [{ embedding: [1] }, {}, "embedding"],
      [{ content: "x" }, { embedding: "lose" }, "embedding"],
      [{ embedding: null }, { embedding: "keep" }, "embedding"],
    ];
    for (const [changes, options, path] of refused) {
      await expect(sync.patch("refused", changes, options), JSON.stringify(changes)).rejects.toMatchObject({
        ...{ code: "VALIDATION", path },
      });
    }
    expect((await sync.get("refused"))?.version).toBe(1);
  });
});
