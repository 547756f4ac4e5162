import { expect, test } from "vitest";
import {
  type ConflictDecision,
  type ExportedVersion,
  type ExportRecord,
  exportLine,
  type ImportReport,
  MemorySynchronizer,
} from "../../src/index.ts";
import { newImportReport } from "../../src/transfer/import-options.ts";
import { openWorld, type World } from "../support/world.ts";

async function exported(world: World, options: Parameters<World["sync"]["exportMemories"]>[0] = {}) {
  const records: ExportRecord[] = [];
  for await (const record of world.sync.exportMemories({ history: true, ...options })) records.push(record);
  return records;
}

const lines = (records: readonly ExportRecord[]): string => records.map(exportLine).join("");
const versions = (records: readonly ExportRecord[]): ExportedVersion[] =>
  records.filter((record): record is ExportedVersion => "type" in record);

async function* bytes(text: string, chunk = 65_536): AsyncGenerator<Uint8Array> {
  const all = Buffer.from(text);
  for (let start = 0; start < all.length; start += chunk) yield all.subarray(start, start + chunk);
}

async function worlds(t: Parameters<typeof openWorld>[0]) {
  return await Promise.all([openWorld(t), openWorld(t)]);
}

/** Memories with up to three versions, some deleted, some deleted and written again, some without a vector. */
async function fillVariously(world: World, count: number): Promise<void> {
  await world.fill(count);
  const inputs = world.memories(count);
  await world.sync.syncBatch(
    inputs.filter((_, index) => index % 2 === 0).map((input) => ({ ...input, content: "second" })),
  );
  await world.sync.syncBatch(
    inputs
      .filter((_, index) => index % 4 === 0)
      .map((input) => ({
        ...input,
        content: "third \u{1F600}",
        metadata: { 10: "ten", 9: [1.5e-7, -0, null] },
        importance: 0,
      })),
  );
  for (const input of inputs.filter((_, index) => index % 10 === 3)) await world.sync.delete(input.memoryId);
  const revived = inputs.filter((_, index) => index % 20 === 3);
  await world.sync.syncBatch(revived.map(({ embedding: _, ...input }) => input));
  await world.put({ ...world.memory(1), namespace: "other" });
  await world.put({ ...world.memory(2), memoryId: "é\u{10000}\uffff", expiresAt: "2099-01-01T00:00:00.000Z" });
}

const none: ImportReport = { ...newImportReport(), complete: true };

test("an export brings empty stores to the same versions, vectors and history, byte for byte", async (t) => {
  const [from, to] = await worlds(t);
  await fillVariously(from, 60);
  const backup = await exported(from);
  const memories = versions(backup).filter(({ type }) => type === "memory");
  const replaced = versions(backup).length - memories.length;
  expect(memories.filter(({ checksum }) => checksum === null)).not.toHaveLength(0);
  expect(replaced).toBeGreaterThan(40);
  const report = await to.sync.importMemories(bytes(lines(backup)));
  expect(report).toEqual({
    ...none,
    read: backup.length,
    synced: memories.length,
    historyVersions: replaced,
  });
  expect(lines(await exported(to))).toBe(lines(backup));
  expect(await to.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  const { stores, backlog } = await to.sync.status();
  const source = await from.sync.status();
  expect(stores).toEqual(source.stores);
  expect(backlog).toEqual({ pending: 0, failed: 0, dead: 0 });
  const withoutTransactions = (history: Awaited<ReturnType<World["sync"]["history"]>>) =>
    history.map(({ transactionId: _, ...version }) => version);
  expect(withoutTransactions(await to.sync.history("m0"))).toEqual(withoutTransactions(await from.sync.history("m0")));
  // Life goes on from there: the next version is one higher, and counts for this node.
  expect(await to.put(to.memory(0))).toMatchObject({ version: 4 });
  // Again changes nothing, records given as they are.
  const again = await to.sync.importMemories(
    backup.filter((record) => !("memoryId" in record && record.memoryId === "m0")),
  );
  expect(again).toMatchObject({ synced: 0, unchanged: memories.length - 1, historyVersions: 0, rejected: 0 });
});

test("an export goes on behind any of its records", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await fillVariously(world, 12);
  const whole = await exported(world);
  for (const [index, record] of whole.entries()) {
    if (!("type" in record)) continue;
    const { namespace, memoryId, version } = record;
    expect(await exported(world, { after: { namespace, memoryId, version } })).toEqual(whole.slice(index + 1));
  }
  const other = versions(await exported(world, { namespace: "other", history: false }));
  expect(other).toEqual(versions(whole).filter(({ namespace, type }) => namespace === "other" && type === "memory"));
});

test("an import that was interrupted anywhere ends equal when it is done again", async (t) => {
  const from = await openWorld(t, { faiss: false });
  await fillVariously(from, 20);
  const text = lines(await exported(from));
  for (const share of [0.3, 0.7]) {
    const to = await openWorld(t, { faiss: false });
    const cut = await to.sync.importMemories(bytes(text.slice(0, text.length * share)));
    expect(cut).toMatchObject({ complete: false });
    const stop = new AbortController();
    const stopped = to.sync.importMemories(
      (async function* () {
        yield* bytes(text.slice(0, 500));
        stop.abort(new Error("enough"));
        yield* bytes(text.slice(500));
      })(),
      { signal: stop.signal },
    );
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
    expect(await to.sync.importMemories(bytes(text))).toMatchObject({ complete: true, rejected: 0, skipped: 0 });
    expect(lines(await exported(to))).toBe(text);
  }
});

test("a bad record is rejected with its line, and the rest goes on", async (t) => {
  const [from, to] = await worlds(t);
  await from.fill(4);
  await from.sync.syncBatch(from.memories(4).map((input) => ({ ...input, content: "again" })));
  const [header, ...records] = await exported(from);
  const [m0, h0, m1, h1, m2, h2, m3, h3, end] = records as [
    ...[ExportedVersion, ExportedVersion, ExportedVersion, ExportedVersion],
    ...[ExportedVersion, ExportedVersion, ExportedVersion, ExportedVersion, ExportRecord],
  ];
  const text = [
    lines([header as ExportRecord, { ...m0, document: { ...m0.document!, content: "edited" } }, h0, m1]),
    lines([{ ...h1, embedding: "AAA" }, m2, { ...h2, version: 2 }, h1]),
    `{"type":"memory"\n${lines([h3, { ...m3, colour: 1 } as never, m3, h3, end, m0])}`,
  ].join("");
  const { errors, ...report } = await to.sync.importMemories(bytes(text, 100));
  expect(report).toMatchObject({ read: 15, synced: 3, historyVersions: 1, rejected: 9, complete: true });
  expect(errors.map(({ line, code, message }) => `${line} ${code} ${message.split(":")[0]}`)).toEqual([
    "2 VALIDATION checksum",
    "3 VALIDATION type",
    "5 VALIDATION embedding",
    "7 VALIDATION version",
    "8 VALIDATION type",
    "9 INVALID_JSON not JSON",
    "10 VALIDATION type",
    "11 VALIDATION colour",
    "15 VALIDATION stands behind the end of the export",
  ]);
  for (const source of [[{ memoryId: "m1" }], [{ mnemosync: 3 }], bytes("nonsense\n")]) {
    await expect(to.sync.importMemories(source)).rejects.toMatchObject({ code: "CONFIGURATION" });
  }
});

test("memories that are there already follow onConflict", async (t) => {
  const [from, to] = await worlds(t);
  await from.fill(4);
  await from.put({ ...from.memory(1), content: "imported" });
  await from.sync.delete("m2");
  const backup = await exported(from);
  await to.fill(2);
  await to.put({ ...to.memory(0), content: "of this side" });
  await to.put(to.memory(2));
  const before = lines(await exported(to));
  const skipping = await to.sync.importMemories(backup);
  expect(skipping).toMatchObject({ synced: 1, skipped: 3, overwritten: 0, unchanged: 0, historyVersions: 0 });
  await to.sync.delete("m3");
  const skipped = versions(await exported(to)).filter(({ memoryId }) => memoryId !== "m3");
  expect(skipped).toEqual(versions(before.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]))));

  to.sync.registerStrategy({ name: "takes_import", resolve: () => ({ action: "choose", store: "import" }) });
  to.sync.registerStrategy({
    name: "joins",
    resolve: ({ candidates: [mine, theirs] }) => ({
      action: "write",
      document: { ...mine!.document!, content: `${mine!.document!.content} and ${theirs!.document?.content}` },
      embedding: mine!.embedding,
    }),
  });
  const manual = await to.sync.importMemories(backup, { onConflict: "strategy", strategy: "manual" });
  expect(manual).toMatchObject({ deferred: 4, synced: 0 });
  const waiting = await to.sync.conflicts.list();
  expect(waiting.map(({ memoryId }) => memoryId).sort()).toEqual(["m0", "m1", "m2", "m3"]);
  for (const { store, strategy, state } of waiting) {
    expect({ store, strategy, state }).toEqual({ store: "import", strategy: "manual", state: "pending" });
  }
  await to.sync.importMemories(backup, { onConflict: "strategy", strategy: "manual" });
  expect(await to.sync.conflicts.list()).toHaveLength(4); // The very same conflicts, once.
  const joined = await to.sync.importMemories(backup.slice(0, 2), { onConflict: "strategy", strategy: "joins" });
  expect(joined).toMatchObject({ synced: 1, overwritten: 1 });
  expect(await to.sync.get("m0")).toMatchObject({ content: "of this side and memory number 0", version: 3 });
  // Its vector includes the imported writes now: there is nothing left to decide.
  expect(
    await to.sync.importMemories(backup.slice(0, 2), { onConflict: "strategy", strategy: "takes_import" }),
  ).toMatchObject({ skipped: 1 });

  const over = await to.sync.importMemories(backup, { onConflict: "overwrite" });
  expect(over).toMatchObject({ synced: 4, overwritten: 4 });
  expect(await to.sync.get("m0")).toMatchObject({ content: "memory number 0", version: 4 });
  expect(await to.sync.get("m1")).toMatchObject({ content: "imported", version: 2 });
  expect(await to.sync.get("m2")).toBeNull();
  expect(await to.sync.importMemories(backup, { onConflict: "overwrite" })).toMatchObject({ synced: 0, unchanged: 4 });
  expect(await to.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  await expect(to.sync.importMemories(backup, { onConflict: "strategy", strategy: "nobody" })).rejects.toMatchObject({
    code: "CONFIGURATION",
  });
});

test("what is local_only is exported when it is asked for, and not otherwise, deleted or not", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(1);
  await world.put({ ...world.memory(1), privacy: "local_only" });
  await world.put({ ...world.memory(2), privacy: "local_only" });
  await world.put({ ...world.memory(2), content: "made public" });
  await world.put({ ...world.memory(3) });
  await world.put({ ...world.memory(3), privacy: "local_only" });
  await world.put({ ...world.memory(4), privacy: "local_only" });
  await world.sync.delete("m4");
  await world.put({ ...world.memory(5), privacy: "redacted" });
  let left = {};
  const shown = versions(await exported(world, { onProgress: (progress) => (left = progress) }));
  expect(shown.map(({ memoryId, version }) => `${memoryId}@${version}`)).toEqual(["m0@1", "m2@2", "m5@1"]);
  expect(left).toMatchObject({ memories: 3, historyVersions: 0, leftOut: 6, redacted: 1, damaged: 0 });
  expect(versions(await exported(world, { includeLocal: true }))).toHaveLength(9);
});

test("damage in the ledger is counted by an export, and refused by an import", async (t) => {
  const [from, to] = await worlds(t);
  await from.fill(3);
  await from.sql`update mnemosync.memory_bodies set embedding = set_byte(embedding, 5, 1) where memory_id = 'm1'`;
  let damaged = 0;
  const backup = await exported(from, { onProgress: (progress) => (damaged = progress.damaged) });
  expect(damaged).toBe(1);
  const { errors, ...report } = await to.sync.importMemories(backup);
  expect(report).toMatchObject({ synced: 2, rejected: 1 });
  expect(errors).toEqual([{ line: 3, code: "VALIDATION", message: expect.stringContaining("checksum") }]);
});

test("a store that is away during an import is brought up to date by the backlog", async (t) => {
  const from = await openWorld(t, { faiss: false });
  await fillVariously(from, 20);
  const backup = await exported(from);
  const to = await openWorld(t, {
    faiss: false,
    ownRedis: true,
    settings: { prepareTimeoutMs: 300, publishTimeoutMs: 300 },
  });
  await to.redisServer?.close();
  const report = await to.sync.importMemories(backup);
  const memories = versions(backup).filter(({ type }) => type === "memory").length;
  expect(report).toMatchObject({ synced: 0, degraded: memories, rejected: 0 });
  expect((await to.sync.status()).backlog.pending).toBeGreaterThan(0);
  expect(lines(await exported(to))).toBe(lines(backup));
});

test("records stay below their bound in memory: documents of a megabyte come in small pages", {
  timeout: 240_000,
}, async (t) => {
  const [from, to] = await Promise.all([openWorld(t, { faiss: false }), openWorld(t, { faiss: false })]);
  const content = "x".repeat(1_000_000);
  await from.sync.syncBatch(from.memories(20).map((input) => ({ ...input, content })));
  let pages = 0;
  const backup = await exported(from, { onProgress: () => pages++ });
  expect(pages).toBeGreaterThanOrEqual(3);
  expect(versions(backup)).toHaveLength(20);
  expect(versions(backup).every(({ document, checksum }) => checksum !== null && document?.content === content)).toBe(
    true,
  );
  expect(await to.sync.importMemories(bytes(lines(backup)))).toMatchObject({ synced: 20, rejected: 0 });
});

test("a memory that somebody writes at that moment is not replaced, even one version below the imported one", async (t) => {
  const from = await openWorld(t, { faiss: false });
  await from.fill(1);
  await from.put({ ...from.memory(0), content: "imported" });
  const backup = await exported(from, { history: false });
  let meanwhile = async (): Promise<unknown> => undefined;
  const to = await openWorld(t, {
    faiss: false,
    settings: {
      onStep: async (step) => {
        if (step !== "locked") return;
        const write = meanwhile;
        meanwhile = async () => undefined;
        await write();
      },
    },
  });
  const checksum = versions(await exported(from)).at(-1)!.checksum;
  const { onStep: _, ...elsewhere } = to.connectOptions;
  const other = await MemorySynchronizer.connect({ ...elsewhere, nodeId: "other" });
  t.onTestFinished(() => other.close());
  const { memoryId, ...fields } = to.memory(0);
  meanwhile = async () => await other.syncMemory(memoryId, fields); // Version 1, after the import found no row to lock.
  expect(await to.sync.importMemories(backup)).toMatchObject({ synced: 0, skipped: 1 });
  expect(versions(await exported(to))).toMatchObject([{ memoryId: "m0", version: 1, checksum }]);
});

test("what a strategy left open waits with both sides, and is decided once, by hand, on what was seen", async (t) => {
  const [from, to] = await worlds(t);
  await from.fill(4);
  await from.sync.delete("m3");
  const backup = await exported(from);
  await to.fill(4);
  for (const number of [0, 1, 2, 3]) await to.put({ ...to.memory(number), content: `of this side ${number}` });
  await to.sync.importMemories(backup, { onConflict: "strategy", strategy: "manual" });
  const waiting = await to.sync.conflicts.list();
  const idOf = (memoryId: string): string => waiting.find((conflict) => conflict.memoryId === memoryId)?.id as string;
  const shown = await to.sync.conflicts.show(idOf("m0"));
  expect(shown.ledger.document?.content).toBe("of this side 0");
  expect(shown.found.document?.content).toBe("memory number 0");
  expect(shown.found.embedding).toHaveLength(to.dimension);
  expect(shown.differences?.fields.map(({ path }) => path)).toEqual(["/content"]);

  const settle = (memoryId: string, decision: ConflictDecision) => to.sync.conflicts.resolve(idOf(memoryId), decision);
  expect(await settle("m0", { choose: "import" })).toMatchObject({ outcome: "repaired", store: "import" });
  expect(await to.sync.get("m0")).toMatchObject({ content: "memory number 0", version: 3 });
  expect(await settle("m1", { choose: "postgres" })).toMatchObject({ outcome: "repaired" });
  expect(await to.sync.get("m1")).toMatchObject({ content: "of this side 1", version: 2 });
  await to.put({ ...to.memory(2), content: "written since" });
  expect(await settle("m2", { choose: "import" })).toMatchObject({ outcome: "deferred" });
  expect(await to.sync.get("m2")).toMatchObject({ content: "written since" });
  expect(await settle("m3", { choose: "import" })).toMatchObject({ outcome: "repaired" });
  expect(await to.sync.get("m3")).toBeNull();
  expect(await to.sync.conflicts.list()).toEqual([]);
  await expect(settle("m0", { choose: "postgres" })).rejects.toMatchObject({ code: "VALIDATION" });
  expect(await to.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("the next records are read while the ones before are written, one window ahead and no more", async (t) => {
  const [from, to] = await worlds(t);
  await from.fill(1);
  const [header, memory, end] = (await exported(from)) as [ExportRecord, ExportedVersion, ExportRecord];
  let given = 0;
  async function* records() {
    yield header;
    for (let number = 0; number < 3_500; number++) {
      given++;
      // The checksum does not cover the id.
      yield { ...memory, memoryId: `copy-${number}`, version: 1, versionVector: { there: 1 } };
    }
    yield end;
  }
  const aheads: number[] = [];
  const reads: number[] = [];
  const report = await to.sync.importMemories(records(), {
    onProgress: ({ read, synced }) => {
      aheads.push(given - synced);
      reads.push(read);
    },
  });
  expect(report).toMatchObject({ read: 3_502, synced: 3_500, rejected: 0, complete: true });
  expect(reads).toEqual([1_001, 2_001, 3_001, 3_502]);
  // Told when a window was written: until then the next one was read, and nothing beyond it.
  for (const ahead of aheads) expect(ahead).toBeLessThanOrEqual(1_000);
  expect(Math.max(...aheads)).toBeGreaterThan(0);
});
