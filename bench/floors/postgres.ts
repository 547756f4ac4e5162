import postgres from "postgres";
import { checksumOf, embeddingBytes } from "../../src/domain/checksum.ts";
import { arrayLiteral } from "../../src/ledger/arrays.ts";
import type { BenchMemory } from "../support/dataset.ts";
import { verify } from "../support/report.ts";

/** A row as it is stored, made before the clock runs: the floor pays for nothing but storing it. */
export interface FloorRow {
  readonly memoryId: string;
  readonly documentJson: string;
  readonly checksum: string;
  readonly embedding: Buffer;
}

export function floorRows(memories: readonly BenchMemory[]): FloorRow[] {
  return memories.map(({ memoryId, embedding, ...document }) => {
    const documentJson = JSON.stringify({ ...document, privacy: "full" });
    return {
      memoryId,
      documentJson,
      checksum: checksumOf(documentJson, embedding),
      embedding: embeddingBytes(embedding),
    };
  });
}

/**
 * PostgreSQL alone: what a program pays that stores the same rows in one table and knows nothing of versions, of
 * transactions over several stores, or of anybody else. One upsert per chunk, all vectors packed into one value.
 */
export class PostgresFloor {
  readonly #sql: postgres.Sql;

  /** @param connections chunks that are under way at a time. */
  constructor(url: string, connections: number) {
    this.#sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => undefined });
  }

  /** An empty table. */
  async begin(): Promise<void> {
    await this.#sql.unsafe(`
      drop table if exists floor;
      create table floor (
        namespace text collate "C" not null, memory_id text collate "C" not null, version bigint not null,
        checksum text collate "C" not null, document json not null, embedding bytea, primary key (namespace, memory_id));
      alter table floor alter column embedding set storage external`);
  }

  async upsert(rows: readonly FloorRow[]): Promise<void> {
    const bytes = rows[0]?.embedding.byteLength ?? 0;
    // Text is all that the driver sends, and base64 is less of it than hexadecimal digits.
    const packed = Buffer.concat(rows.map((row) => row.embedding)).toString("base64");
    await this.#sql`
      insert into floor (namespace, memory_id, version, checksum, document, embedding)
      select 'default', i.memory_id, 1, i.checksum, i.document::json,
             substr(v.packed, ((i.position - 1) * ${bytes}::int)::int + 1, ${bytes}::int)
      from (select decode(${packed}::text, 'base64') as packed offset 0) v, unnest(
        ${arrayLiteral(rows.map((row) => row.memoryId))}::text::text[],
        ${arrayLiteral(rows.map((row) => row.checksum))}::text::text[],
        ${arrayLiteral(rows.map((row) => row.documentJson))}::text::text[]
      ) with ordinality as i (memory_id, checksum, document, position)
      on conflict (namespace, memory_id) do update set
        version = floor.version + 1, checksum = excluded.checksum, document = excluded.document,
        embedding = excluded.embedding`;
  }

  /** One row in a transaction of its own: what a single durable write cannot be faster than. */
  async commitOne({ memoryId, checksum, documentJson, embedding }: FloorRow): Promise<void> {
    await this.#sql`
      insert into floor (namespace, memory_id, version, checksum, document, embedding)
      values ('default', ${memoryId}, 1, ${checksum}, ${documentJson}::text::json, ${embedding})
      on conflict (namespace, memory_id) do update set
        version = floor.version + 1, checksum = excluded.checksum, document = excluded.document,
        embedding = excluded.embedding`;
  }

  /** The same in two round trips: BEGIN and the row in one flight, and the commit. Of one connection only. */
  async commitOneInTwo(row: FloorRow): Promise<void> {
    await Promise.all([this.#sql`begin`.execute(), this.commitOne(row)]);
    await this.#sql`commit`;
  }

  async remove(rows: readonly FloorRow[]): Promise<void> {
    await this.#sql`
      delete from floor
      where namespace = 'default' and memory_id = any(${arrayLiteral(rows.map((row) => row.memoryId))}::text::text[])`;
  }

  async count(): Promise<number> {
    const [row] = await this.#sql<{ count: number }[]>`select count(*)::int as count from floor`;
    return row?.count ?? 0;
  }

  /** The table has `count` rows, and these among them, by their bytes. */
  async verifyHeld(sample: readonly FloorRow[], count: number): Promise<void> {
    const found = await this.count();
    verify(found === count, `the floor's table has ${found} rows, not ${count}`);
    for (const { memoryId, checksum } of sample) {
      const [row] = await this.#sql<{ document: string; embedding: Buffer }[]>`
        select document::text as document, embedding from floor where namespace = 'default' and memory_id = ${memoryId}`;
      verify(checksumOf(row?.document ?? "", row?.embedding ?? null) === checksum, `${memoryId} differs in the floor`);
    }
  }

  /** Takes over what our own ledger in the same database holds. */
  async fillFromLedger(): Promise<void> {
    await this.#sql`
      insert into floor (namespace, memory_id, version, checksum, document, embedding)
      select namespace, memory_id, version, v.checksum, document, embedding
      from mnemosync.memory_versions v join mnemosync.memory_bodies using (namespace, memory_id, version)
      on conflict do nothing`;
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 5 });
  }
}
