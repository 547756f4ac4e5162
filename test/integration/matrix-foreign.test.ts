import { describe, expect, test } from "vitest";
import { type ConsistencyReport, HashingEmbedder } from "../../src/index.ts";
import { feedShown } from "../support/feed-shown.ts";
import { MATRIX_SIZES, WORLD_SIZE } from "../support/matrix.ts";
import { unitVector } from "../support/memories.ts";
import { checksumByHand, digestByHand, type LedgerRow, putHashes, readRows } from "../support/raw-stores.ts";
import { openWorld, type World } from "../support/world.ts";

const NEVER = new AbortController().signal;

/**
 * Goal: vectors that do not belong into the index (of another dimension, or of another model) are found for what they
 * are; embedded anew where an embedder of the index's model is set up, and left with an explanation where none is.
 * Method: another program writes whole memories, rows and hashes, with plain SQL and plain Redis commands; then the
 * index is opened on them.
 */

/** What the other program writes: new versions, whole and sound in themselves, with vectors of its own. */
async function writeForeign(
  world: World,
  memoryIds: readonly string[],
  vector: { dimension: number; model: string | null },
): Promise<LedgerRow[]> {
  const rows = await readRows(world, memoryIds);
  const theirs = rows.map((row, at): LedgerRow => {
    const document = JSON.parse(row.document as string);
    const said = JSON.stringify({
      content: `by another program, ${row.memoryId}`,
      ...(vector.model !== null && { embeddingModel: vector.model }),
      importance: document.importance,
      memoryType: document.memoryType,
      metadata: document.metadata,
      privacy: document.privacy,
    });
    const embedding = Buffer.from(new Uint8Array(unitVector(at + 7_000, vector.dimension).buffer));
    const checksum = checksumByHand(said, embedding);
    return { ...row, version: row.version + 1, document: said, embedding, checksum };
  });
  const column = <T>(pick: (row: LedgerRow) => T): T[] => theirs.map(pick);
  await world.sql.begin(async (sql) => {
    await sql`
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, tx_id, document, embedding)
      select v.namespace, v.memory_id, i.version, i.checksum, v.version_vector, v.modified_at, v.tx_id, i.document::json,
             decode(i.embedding, 'hex')
      from unnest(${column((row) => row.memoryId)}::text[], ${column((row) => row.version)}::int[],
                  ${column((row) => row.checksum as string)}::text[], ${column((row) => row.document as string)}::text[],
                  ${column((row) => (row.embedding as Buffer).toString("hex"))}::text[])
        as i (memory_id, version, checksum, document, embedding)
      join mnemosync.memory_versions v using (memory_id)
      where v.namespace = 'default'`;
    await sql`
      update mnemosync.memory_versions v
      set version = i.version, checksum = i.checksum, digest = ('x' || i.digest)::bit(64)::bigint,
          store_versions = jsonb_build_object('redis', i.version, 'faiss', i.version), has_embedding = true
      from unnest(${column((row) => row.memoryId)}::text[], ${column((row) => row.version)}::int[],
                  ${column((row) => row.checksum as string)}::text[],
                  ${column((row) => digestByHand(row.memoryId, row.version, row.checksum as string))}::text[])
        as i (memory_id, version, checksum, digest)
      where v.namespace = 'default' and v.memory_id = i.memory_id`;
  });
  await putHashes(world, theirs);
  await feedShown(world); // The index finds them when it is opened.
  return theirs;
}

function expectForeign(report: ConsistencyReport, theirs: readonly LedgerRow[], evidence: RegExp): void {
  expect(report.findings).toHaveLength(theirs.length);
  const versions = new Map(theirs.map(({ memoryId, version }) => [memoryId, version]));
  for (const finding of report.findings) {
    expect(finding).toMatchObject({ store: "faiss", kind: "foreign", evidence: expect.stringMatching(evidence) });
    expect(finding.expectedVersion).toBe(versions.get(finding.memoryId));
  }
}

const ids = (start: number, count: number): string[] => Array.from({ length: count }, (_, at) => `m${start + at}`);

describe("foreign vectors", () => {
  test("are embedded anew by an embedder of the index's model", async (t) => {
    const world = await openWorld(t, { settings: { batchSize: 500, embedding: { provider: "hashing" } } });
    await world.fill(WORLD_SIZE);
    let next = 0;
    for (const size of MATRIX_SIZES ?? [1, 100]) {
      for (const { dimension, model, scope, evidence } of [
        { dimension: 16, model: null, scope: "full" as const, evidence: /16 numbers.*vectors of 8/ },
        // The version and the checksum are right: only what the memory says about its vector tells.
        { dimension: 8, model: "other-8", scope: "deep" as const, evidence: /other-8.*mnemosync-hash-v1-8/ },
      ]) {
        await world.disconnect();
        const theirs = await writeForeign(world, ids(next, size), { dimension, model });
        next += size;
        await world.connect();
        const report = await world.sync.checkConsistency({ scope });
        expectForeign(report, theirs, evidence);
        const begunAt = performance.now();
        const repair = await world.sync.repairInconsistencies(report);
        const what = `faiss foreign: vectors of ${model ?? `${dimension} numbers`}`;
        process.stdout.write(`${what}, ${size}: repaired in ${Math.round(performance.now() - begunAt)} ms\n`);
        expect(repair, repair.details[0]?.note).toMatchObject({ repaired: size, failed: 0, deferred: 0 });
        expect(repair.details[0]?.note).toContain("mnemosync-hash-v1-8");
        await expectEmbedded(world, theirs);
        expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
      }
    }
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: WORLD_SIZE });
  }, 300_000);

  test("stay where they are without an embedder of the index's model, and the repair says what to do", async (t) => {
    const world = await openWorld(t, { faiss: { model: "made-by-hand" } });
    await world.fill(200);
    await world.disconnect();
    const [wide] = await writeForeign(world, ["m3"], { dimension: 16, model: null });
    const [other] = await writeForeign(world, ["m4"], { dimension: 8, model: "other-8" });
    await world.connect();
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expectForeign(report, [wide as LedgerRow, other as LedgerRow], /its vector/);
    const before = await world.footprint();
    const repair = await world.sync.repairInconsistencies(report);
    expect(repair).toMatchObject({ repaired: 0, failed: 2, results: { m3: false, m4: false } });
    for (const { note } of repair.details) expect(note).toMatch(/set up an embedder.*or write the memory anew/);
    expect(await world.footprint()).toEqual(before);
    expect((await world.sync.checkConsistency({ scope: "deep" })).findings).toEqual(report.findings);
  });

  test("that reach the ledger while the index is open do not keep others from their repair", async (t) => {
    const world = await openWorld(t, { settings: { embedding: { provider: "hashing" } } });
    await world.fill(50);
    const theirs = await writeForeign(world, ids(0, 2), { dimension: 16, model: null });
    await writeForeign(world, ids(10, 3), { dimension: 8, model: null });
    const report = await world.sync.checkConsistency();
    expect(report.findings).toHaveLength(5);
    const repair = await world.sync.repairInconsistencies(report);
    for (const memoryId of ids(10, 3)) expect(repair.results[memoryId]).toBe(true);
    await world.sync.repairInconsistencies(await world.sync.checkConsistency());
    await expectEmbedded(world, theirs);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });
});

/** That each has the vector of its own text, as a new version, and that the other program's vector can still be read. */
async function expectEmbedded(world: World, theirs: readonly LedgerRow[]): Promise<void> {
  const memoryIds = theirs.map(({ memoryId }) => memoryId);
  const rows = await readRows(world, memoryIds);
  const texts = rows.map(({ document }) => JSON.parse(document as string).content as string);
  const vectors = await new HashingEmbedder({ dimension: 8 }).embed(texts, NEVER);
  const history = await world.sql`
    select h.memory_id, h.embedding from mnemosync.memory_history h join mnemosync.memory_versions v using (memory_id)
    where h.version = v.version - 1 and h.memory_id = any(${memoryIds})`;
  const replaced = new Map(history.map(({ memory_id, embedding }) => [memory_id, embedding as Buffer]));
  for (const [at, row] of rows.entries()) {
    const their = theirs[at] as LedgerRow;
    expect(row.version).toBe(their.version + 1);
    expect(JSON.parse(row.document as string)).toEqual({
      ...JSON.parse(their.document as string),
      embeddingModel: "mnemosync-hash-v1-8",
    });
    expect(row.embedding?.equals(new Uint8Array(vectors[at]!.buffer))).toBe(true);
    expect(replaced.get(row.memoryId)?.equals(their.embedding as Buffer)).toBe(true);
  }
}
