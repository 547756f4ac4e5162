import { createHash } from "node:crypto";
import type { World } from "./world.ts";

/** A version of a memory as the tables of the ledger hold it, read with plain SQL. */
export interface LedgerRow {
  readonly memoryId: string;
  readonly version: number;
  /** Null for a tombstone. */
  readonly checksum: string | null;
  readonly document: string | null;
  readonly embedding: Buffer | null;
  /** Version vector, as JSON. */
  readonly vector: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** A document and vector that somebody else made up, with everything that belongs to them. */
export interface Content {
  readonly document: string;
  readonly embedding: Buffer | null;
  readonly checksum: string;
}

/** What is kept of a repair, read with plain SQL. */
export interface KeptRow {
  readonly memoryId: string;
  readonly store: string;
  readonly kind: string;
  readonly state: string;
  readonly strategy: string;
  readonly found: { readonly document: Buffer | null; readonly embedding: Buffer | null };
  readonly ledger: { readonly document: string | null; readonly embedding: Buffer | null };
}

interface RawRow {
  memoryId: string;
  version: number;
  checksum: string | null;
  document: string | null;
  embedding: Buffer | null;
  vector: string;
  modifiedAt: number;
}

/** The current versions, in the order of `memoryIds`. */
export async function readRows({ sql }: World, memoryIds: readonly string[]): Promise<LedgerRow[]> {
  const rows = await sql<RawRow[]>`
    select v.memory_id as "memoryId", v.version::int as version, v.checksum, m.document::text as document, m.embedding,
           v.version_vector::text as vector, round(extract(epoch from v.modified_at) * 1000)::float8 as "modifiedAt"
    from mnemosync.memory_versions v left join mnemosync.memory_bodies m using (namespace, memory_id, version)
    where v.namespace = 'default' and v.memory_id = any(${memoryIds as string[]})`;
  return inOrder(rows, memoryIds);
}

/** The version before the current one, in the order of `memoryIds`. */
export async function readReplaced({ sql }: World, memoryIds: readonly string[]): Promise<LedgerRow[]> {
  const rows = await sql<RawRow[]>`
    select h.memory_id as "memoryId", h.version::int as version, h.checksum, h.document::text as document, h.embedding,
           h.version_vector::text as vector, round(extract(epoch from h.modified_at) * 1000)::float8 as "modifiedAt"
    from mnemosync.memory_history h
    join mnemosync.memory_versions v using (namespace, memory_id)
    where h.version = v.version - 1 and h.namespace = 'default' and h.memory_id = any(${memoryIds as string[]})`;
  return inOrder(rows, memoryIds);
}

/** What repairs kept behind record `after`. */
export async function readKept({ sql }: World, after: string): Promise<KeptRow[]> {
  const rows = await sql`
    select memory_id, store, kind, state, strategy, found_document, found_embedding, ledger_document::text, ledger_embedding
    from mnemosync.conflict_resolutions where id > ${after}::text::bigint order by id`;
  return rows.map((row) => ({
    memoryId: row.memory_id,
    store: row.store,
    kind: row.kind,
    state: row.state,
    strategy: row.strategy,
    found: { document: row.found_document, embedding: row.found_embedding },
    ledger: { document: row.ledger_document, embedding: row.ledger_embedding },
  }));
}

/** Behind which id what is kept from now on stands. */
export async function lastKept({ sql }: World): Promise<string> {
  const [row] = await sql`select coalesce(max(id), 0)::text as id from mnemosync.conflict_resolutions`;
  return row?.id;
}

/** The content of `row` with other words, and another vector. */
export function otherContent(row: Pick<LedgerRow, "document">, words: string, embedding: Buffer | null): Content {
  // Keys keep their place, so what was in canonical order stays so.
  const document = JSON.stringify({ ...JSON.parse(row.document as string), content: words });
  return { document, embedding, checksum: checksumByHand(document, embedding) };
}

export function checksumByHand(document: string, embedding: Buffer | null): string {
  const separator = Buffer.from([0]);
  const bytes = Buffer.concat([Buffer.from(document, "utf8"), separator, embedding ?? Buffer.alloc(0)]);
  return createHash("sha256").update(bytes).digest("hex");
}

/** The first 8 bytes, as hex, of what stands for an entry in a bucket's digest. */
export function digestByHand(memoryId: string, version: number, checksum: string): string {
  const text = `default\u0000${memoryId}\u0000${version}\u0000${checksum}`;
  return createHash("sha256").update(text, "utf8").digest("hex").slice(0, 16);
}

/** The fields of a hash in Redis that says `row`. */
export function hashOf(row: LedgerRow): Record<string, string | number | Buffer> {
  const { memoryId, version, checksum, document, embedding, vector, modifiedAt } = row;
  if (checksum === null || document === null) throw new Error(`${memoryId} is deleted`);
  const digest = digestByHand(memoryId, version, checksum);
  const fields = { version, checksum, digest, modified_at: modifiedAt, vector, data: document };
  return embedding === null ? fields : { ...fields, embedding };
}

/** Replaces whole hashes, with plain commands. */
export async function putHashes(world: World, rows: readonly LedgerRow[]): Promise<void> {
  const pipeline = world.redis.pipeline();
  for (const row of rows) pipeline.del(world.redisKey(row.memoryId)).hset(world.redisKey(row.memoryId), hashOf(row));
  await finish(pipeline);
}

/** Sends a pipeline; a command that was refused is an error. */
export async function finish(pipeline: ReturnType<World["redis"]["pipeline"]>): Promise<unknown[]> {
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, answer]) => {
    if (error !== null) throw error;
    return answer;
  });
}

/** Hashes as they are, in the order of `memoryIds`. */
export async function readHashes(world: World, memoryIds: readonly string[]): Promise<Record<string, Buffer>[]> {
  const pipeline = world.redis.pipeline();
  for (const memoryId of memoryIds) pipeline.hgetallBuffer(world.redisKey(memoryId));
  return (await finish(pipeline)) as Record<string, Buffer>[];
}

function inOrder(rows: readonly RawRow[], memoryIds: readonly string[]): LedgerRow[] {
  const byId = new Map(rows.map((row) => [row.memoryId, row]));
  return memoryIds.map((memoryId) => {
    const row = byId.get(memoryId);
    if (row === undefined) throw new Error(`the ledger has no such row for ${memoryId}`);
    return row;
  });
}
