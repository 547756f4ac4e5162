import { describe, expect, test, vi } from "vitest";
import { NotFoundError } from "../../src/index.ts";
import { LedgerCalls } from "../../src/ledger/bound-statements.ts";
import { openWorld, sharedWorld } from "../support/world.ts";

const shared = sharedWorld();

/** A memory with versions 1 … `contents.length`. */
async function withVersions(memoryId: string, contents: readonly string[]) {
  const world = shared.current;
  for (const content of contents) await world.sync.syncMemory(memoryId, { ...fields(), content });
  return world.sync;
}

function fields() {
  const { memoryId: _, ...memory } = shared.current.memory(1);
  return memory;
}

describe("history", () => {
  test("lists the current version and those before it, newest first, with what each said", async () => {
    const sync = await withVersions("listed", ["one", "two", "three"]);
    const versions = await sync.history("listed");
    expect(versions.map(({ version, document }) => [version, document?.content])).toEqual([
      [3, "three"],
      [2, "two"],
      [1, "one"],
    ]);
    expect(versions[2]?.embedding).toEqual(Float32Array.from(fields().embedding ?? []));
  });

  test("shows a deletion as a version without a document, and a memory nobody knows as nothing", async () => {
    const sync = await withVersions("gone", ["one"]);
    await sync.delete("gone");
    expect(
      (await sync.history("gone")).map(({ version, checksum, document }) => [
        version,
        checksum === null,
        document === null,
      ]),
    ).toEqual([
      [2, true, true],
      [1, false, false],
    ]);
    expect(await sync.history("never-written")).toEqual([]);
  });

  test("keeps as many replaced versions as it was told to, and none when told so", async (t) => {
    for (const historyVersionsMax of [0, 2]) {
      const world = await openWorld(t, { faiss: false, settings: { historyVersionsMax } });
      for (let version = 1; version <= 5; version++)
        await world.sync.syncMemory("m", { content: `v${version}`, memoryType: "e" });
      const kept = (await world.sync.history("m")).map(({ version }) => version);
      expect(kept).toEqual(historyVersionsMax === 0 ? [5] : [5, 4, 3]);
    }
  });

  test("tells two versions apart field by field", async () => {
    const { sync } = shared.current;
    await sync.syncMemory("diffed", { ...fields(), content: "a", metadata: { tags: ["x", "y"], same: 1 } });
    await sync.syncMemory("diffed", {
      ...fields(),
      content: "a",
      importance: 0.25,
      metadata: { tags: ["x"], same: 1, more: null },
    });
    expect(await sync.diff("diffed", 1, 2)).toEqual({
      namespace: "default",
      memoryId: "diffed",
      fromVersion: 1,
      toVersion: 2,
      fields: [
        { path: "importance", before: fields().importance ?? 0.5, after: 0.25 },
        { path: "metadata.more", before: undefined, after: null },
        { path: "metadata.tags[1]", before: "y", after: undefined },
      ],
      embeddingChanged: false,
    });
  });
});

describe("rollback", () => {
  test("writes the old content as a new version, with the checksum it had, in all three stores", async () => {
    const sync = await withVersions("rolled", ["one", "two"]);
    const first = (await sync.history("rolled")).at(-1);
    const outcome = await sync.rollback("rolled", 1);
    expect(outcome).toMatchObject({ version: 3, checksum: first?.checksum, status: "synced" });
    expect(await sync.get("rolled")).toMatchObject({ version: 3, content: "one", source: "redis" });
    expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("brings a deleted memory back, and goes back to a deletion", async () => {
    const sync = await withVersions("back", ["one"]);
    await sync.delete("back");
    expect(await sync.rollback("back", 1)).toMatchObject({ version: 3, status: "synced" });
    expect(await sync.get("back")).toMatchObject({ content: "one" });
    expect(await sync.rollback("back", 2)).toMatchObject({ version: 4, checksum: null, status: "synced" });
    expect(await sync.get("back")).toBeNull();
  });

  test("throws when another write came between its read and its write, which stays", async (t) => {
    const sync = await withVersions("raced", ["one", "two"]);
    const original = LedgerCalls.prototype.use;
    // The first call of a rollback reads the history.
    const read = vi.spyOn(LedgerCalls.prototype, "use").mockImplementationOnce(async function (
      this: LedgerCalls,
      ...args
    ) {
      const versions = await original.apply(this, args);
      await sync.syncMemory("raced", { ...fields(), content: "came between" });
      return versions;
    });
    t.onTestFinished(() => read.mockRestore());
    await expect(sync.rollback("raced", 1)).rejects.toMatchObject({
      code: "VERSION_CONFLICT",
      expectedVersion: 2,
      foundVersion: 3,
      current: { version: 3, content: "came between" },
    });
    expect(await sync.get("raced")).toMatchObject({ version: 3, content: "came between" });
  });

  test("of a version that is not kept says which ones are", async () => {
    const sync = await withVersions("kept", ["one", "two"]);
    const failure = sync.rollback("kept", 9);
    await expect(failure).rejects.toThrow(NotFoundError);
    await expect(failure).rejects.toThrow(/versions kept: 1 to 2/);
  });
});

describe("rollback of a transaction", () => {
  test("gives each of its memories what it was before, all in one new transaction", async () => {
    const sync = await withVersions("t1", ["before"]);
    const batch = ["t1", "t2"].map((memoryId) => ({ ...fields(), memoryId, content: "changed" }));
    const written = await sync.syncBatch(batch, { atomic: true });
    const undone = await sync.rollbackTransaction(written[0]?.transactionId ?? "");
    expect(undone.map(({ memoryId, status, version }) => [memoryId, status, version])).toEqual([
      ["t1", "synced", 3],
      ["t2", "synced", 2],
    ]);
    expect(new Set(undone.map(({ transactionId }) => transactionId)).size).toBe(1);
    expect(await sync.get("t1")).toMatchObject({ content: "before" });
    expect(await sync.get("t2")).toBeNull();
  });

  test("undoes nothing when one of its memories was written since", async () => {
    const { sync } = shared.current;
    const batch = ["u1", "u2"].map((memoryId) => ({ ...fields(), memoryId, content: "changed" }));
    const written = await sync.syncBatch(batch, { atomic: true });
    await sync.syncMemory("u2", { ...fields(), content: "newer" });
    const undone = await sync.rollbackTransaction(written[0]?.transactionId ?? "");
    expect(undone.map(({ memoryId, status, error }) => [memoryId, status, error?.code])).toEqual([
      ["u1", "failed", "VERSION_CONFLICT"],
      ["u2", "conflict", "VERSION_CONFLICT"],
    ]);
    expect(await sync.get("u1")).toMatchObject({ content: "changed" });
    await expect(sync.rollbackTransaction("01ARZ3NDEKTSV4RRFFQ69G5FAV")).rejects.toThrow(NotFoundError);
  });
});
