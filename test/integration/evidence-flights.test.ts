import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { CheckLedger } from "../../src/ledger/check-ledger.ts";
import type { EvidenceRecord } from "../../src/ledger/conflict-statements.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { soon } from "../conformance/ledger-suite.ts";
import { withoutFlights } from "../support/without-flights.ts";
import { sharedWorld } from "../support/world.ts";

/**
 * Goal: what flights keep and read is what the driver's statements keep and read, to the byte. Method: values of all shapes both ways,
 * and the rows compared as the server has them; then a server that refuses evidence, or leaves it out.
 */

const shared = sharedWorld({ faiss: false });
let pool: PostgresPool;
beforeAll(() => {
  pool = new PostgresPool(shared.current.databaseUrl, { max: 2 });
});
afterAll(() => pool.close());

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const BYTES: readonly (Buffer | null)[] = [
  null,
  Buffer.alloc(0),
  Buffer.from([0]),
  ALL_BYTES,
  Buffer.from('\\x00 {null,"}\\'),
  Buffer.alloc(512 * 1024, ALL_BYTES), // Beyond what a row keeps within itself.
  Buffer.from(Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, -0, 1e-45).buffer),
];
const TEXTS = [
  "",
  "null",
  "NULL",
  "{}",
  '"',
  "\\",
  "a,b",
  " \t\r\n ",
  "äß漢😀",
  "'; drop table x; --",
  "x".repeat(100_000),
];
const NUMBERS = [null, 0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48];
const TIMES = [null, 0, -1, 1_700_000_000_123, 999, 4_102_444_800_000, 9_000_000_000_000_000, -60_000_000_000_000];
const EMBEDDINGS = [
  null,
  new Float32Array(0),
  Float32Array.of(0.1, -2, Number.POSITIVE_INFINITY),
  new Float32Array(4_096),
];
const DOCUMENTS = [
  null,
  "{}",
  '{"a":"\\u0000 \\" 😀","b":[1e400,null]}',
  ' { "spaces" : "stay" } ',
  `"${"y".repeat(50_000)}"`,
];

/** Records in which each value of each list stands beside others each time. */
function records(): EvidenceRecord[] {
  const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;
  return Array.from({ length: 80 }, (_, index) => ({
    namespace: `n-${index % 3}`,
    memoryId: `${index} ${at(TEXTS, index).slice(0, 100)}`,
    store: at(["redis", "faiss", "import", "own"], index),
    kind: at(["stale", "corrupt", "diverged"], index),
    strategy: at(["ledger_wins", "manual"], index),
    pendingBecause: index % 5 === 0 ? at(TEXTS, index) : null,
    foundVersion: at(NUMBERS, index),
    foundState: at([null, "live", "malformed", "tombstone"], index),
    foundChecksum: index % 7 === 0 ? null : at(TEXTS, index + 1),
    foundDocument: at(BYTES, index),
    foundEmbedding: at(BYTES, index + Math.floor(index / 7)),
    foundVector: index % 4 === 0 ? null : at(TEXTS, index + 2),
    foundModifiedAt: at(TIMES, index),
    ledgerVersion: at(NUMBERS, index + 3),
    ledgerChecksum: index % 3 === 0 ? null : at(TEXTS, index + 3),
    ledgerDocument: at(DOCUMENTS, index),
    ledgerEmbedding: at(EMBEDDINGS, index),
    ledgerVector: index % 4 === 1 ? null : '{"a":1}',
    ledgerModifiedAt: at(TIMES, index + 4),
    evidence: at(TEXTS, index + 5),
  }));
}

const ways = () =>
  [pool, withoutFlights(pool)].map((access) => new CheckLedger(access, { nodeId: "n", callTimeoutMs: 60_000 }));

/** The rows as the server has them, but for ids and times of its own; long values by their digest. */
async function rows(): Promise<string[]> {
  const found = await shared.current.sql<{ row: string }[]>`
    select to_json(c)::text as row from (
      select namespace, memory_id, store, kind, strategy, state, pending_because, found_version, found_state, found_checksum,
             sha256(found_document) as document, sha256(found_embedding) as embedding, found_vector, found_modified_at,
             ledger_version, ledger_checksum, ledger_document, sha256(ledger_embedding) as own, ledger_vector,
             ledger_modified_at, evidence, resolution, resolved_at is not null as has_ended
      from mnemosync.conflict_resolutions order by id
    ) c`;
  return found.map(({ row }) => row);
}

test("evidence of all shapes is kept, reused and settled to the byte as the driver's statements do it", async () => {
  const { sql } = shared.current;
  const found: unknown[] = [];
  for (const way of ways()) {
    await sql`truncate mnemosync.conflict_resolutions`;
    const ids = await way.keepEvidence(records(), soon());
    expect(ids).toHaveLength(80);
    expect(await way.keepEvidence(records(), soon())).toEqual(ids); // Each one is found again, whatever its bytes.
    const kept = await rows();
    const [first] = await sql`select found_document from mnemosync.conflict_resolutions where id = ${ids[3] ?? ""}`;
    expect(ALL_BYTES.equals(first?.found_document)).toBe(true);
    const endings = ids.map((id, index) => ({
      id,
      state: index % 2 === 0 ? ("resolved" as const) : ("failed" as const),
      resolution: TEXTS[index % TEXTS.length] ?? "",
    }));
    expect((await way.settleEvidence(endings, soon())).toSorted()).toEqual(ids.toSorted());
    found.push({ kept, settled: await rows() });
  }
  expect(found[0]).toEqual(found[1]);
});

test("of an erased memory no content is kept, neither way", async () => {
  const { sql, sync } = shared.current;
  await sync.syncMemory("gone", { content: "c", memoryType: "t" });
  await sql`update mnemosync.memory_versions set ended_by = 'erased', deleted_at = clock_timestamp(), checksum = null, has_embedding = false`;
  const record = { ...(records()[3] as EvidenceRecord), namespace: "default", memoryId: "gone" };
  for (const way of ways()) {
    const [id = ""] = await way.keepEvidence([record], soon());
    expect(await way.readConflict(id, soon())).toMatchObject({
      ...{
        foundDocument: null,
        foundEmbedding: null,
        foundChecksum: null,
        ledgerDocument: null,
        ledgerEmbedding: null,
      },
      ...{ ledgerChecksum: null, evidence: "removed by an erasure" },
    });
    await sql`truncate mnemosync.conflict_resolutions`;
  }
});

test("current versions are read to the byte as the driver reads them, damaged ones too", async () => {
  const { sql, sync } = shared.current;
  const fields = { content: 'ä 漢 😀 "\\', memoryType: "t" };
  const embedding = Float32Array.from({ length: 384 }, (_, index) => Math.sin(index));
  await sync.syncMemory("plain", fields);
  await sync.syncMemory("vector", { ...fields, embedding, embeddingModel: "m" });
  await sync.syncMemory("expiring", { ...fields, expiresAt: new Date(4_102_444_800_123) });
  await sync.syncMemory("odd id ' \" \\ , {}", fields);
  for (const id of ["deleted", "no body", "odd vector", "forged"]) await sync.syncMemory(id, { ...fields, embedding });
  await sync.delete("deleted");
  await sql`delete from mnemosync.memory_bodies where memory_id = 'no body'`;
  await sql`update mnemosync.memory_bodies set embedding = substr(embedding, 1, 7) where memory_id = 'odd vector'`;
  await sql`update mnemosync.memory_versions set version_vector = '{}', digest = -1, checksum = 'ü' where memory_id = 'forged'`;
  const ids = await sql<{ namespace: string; memoryId: string }[]>`
    select namespace, memory_id as "memoryId" from mnemosync.memory_versions`;
  const keys = [...ids, { namespace: "default", memoryId: "unknown" }];
  const [flown, driven] = await Promise.all(
    [pool, withoutFlights(pool)].map((access) => new Ledger(access, { nodeId: "n" }).readChanges(keys, soon())),
  );
  expect(flown?.size).toBe(ids.length);
  expect(flown).toEqual(driven);
});

const DRIFTED = ["s1", "s2", "s3"];

/** Memories whose entry in Redis is older than the ledger's. @returns the report of a check. */
async function stale() {
  const { sync, redis } = shared.current;
  for (const id of DRIFTED) {
    for (const content of ["one", "two"])
      await sync.syncMemory(id, { content: `${content} ${Math.random()}`, memoryType: "t" });
    await redis.hset(shared.current.redisKey(id), "version", 1, "checksum", "0".repeat(64));
  }
  const report = await sync.checkConsistency();
  const findings = report.findings.filter(({ memoryId }) => DRIFTED.includes(memoryId));
  expect(findings.map(({ kind }) => kind)).toEqual(["stale", "stale", "stale"]);
  return { findings };
}

test.each([
  ["refuses a record", "raise exception 'no'", /no/],
  ["leaves a record out", "return null", /only 2 of 3 records of evidence were kept/],
])("a trigger that %s keeps the stores as they are", async (_name, body, reason) => {
  const { sql, sync, redis } = shared.current;
  const report = await stale();
  const held = () => Promise.all(DRIFTED.map((id) => redis.hgetallBuffer(shared.current.redisKey(id))));
  const before = await held();
  await sql.unsafe(`
    create function public.refuse() returns trigger language plpgsql as $$ begin ${body}; end $$;
    create trigger refuse before insert on mnemosync.conflict_resolutions for each row
      when (new.memory_id = 's2') execute function public.refuse()`);
  try {
    const { failed, details } = await sync.repairInconsistencies(report);
    expect(failed).toBe(3);
    for (const { note } of details) expect(note).toMatch(reason);
    expect(await held()).toEqual(before);
  } finally {
    await sql.unsafe("drop function public.refuse() cascade");
  }
  const { repaired } = await sync.repairInconsistencies(report);
  expect(repaired).toBe(3);
});

test("pending records are found by memory, and the index by time is gone", async () => {
  const rows = await shared.current.sql<{ name: string; definition: string }[]>`
    select indexname as name, indexdef as definition from pg_indexes
    where schemaname = 'mnemosync' and tablename = 'conflict_resolutions' and indexdef like '%pending%' order by 1`;
  expect(rows.map(({ name }) => name)).toEqual([
    "conflict_resolutions_open_index",
    "conflict_resolutions_settled_index",
  ]);
  expect(rows[0]?.definition).toMatch(/\(namespace, memory_id\) WHERE \(state = 'pending'/);
});
