import { embeddingFromBytes, entryDigest } from "../../domain/checksum.ts";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { PutChange } from "../../domain/memory.ts";
import { parseVector } from "../../domain/version-vector.ts";
import type { Sql } from "../../drivers/postgres/postgres-access.ts";
import { keyLiterals } from "../../ledger/arrays.ts";
import { modelOf } from "../../ledger/read-statements.ts";

interface ArchivedRow {
  readonly namespace: string;
  readonly memory_id: string;
  readonly version: number;
  readonly checksum: string;
  readonly vector: string;
  readonly modified_at: number;
  readonly document: string;
  readonly embedding: Buffer | null;
  readonly expires_at: number | null;
}

/** Memories that expired, as their last content, by key text. In a replica, which keeps it. */
export async function readArchived(sql: Sql, keys: readonly MemoryKey[]): Promise<Map<string, PutChange>> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const rows = await sql<ArchivedRow[]>`
    select b.namespace, b.memory_id, b.version::float8 as version, b.checksum, b.version_vector::text as vector,
           extract(epoch from b.modified_at)::float8 * 1000 as modified_at, b.document::text as document, b.embedding,
           extract(epoch from b.expires_at)::float8 * 1000 as expires_at
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select version, ended_by from mnemosync.memory_versions
      where namespace = k.namespace and memory_id = k.memory_id offset 0
    ) v
    cross join lateral (
      select * from mnemosync.memory_bodies
      where namespace = k.namespace and memory_id = k.memory_id and version = v.version - 1 and document is not null offset 0
    ) b
    where v.ended_by = 'expired'`;
  return new Map(rows.map((row) => [keyText({ namespace: row.namespace, memoryId: row.memory_id }), changeOf(row)]));
}

function changeOf(row: ArchivedRow): PutChange {
  const key = { namespace: row.namespace, memoryId: row.memory_id };
  return {
    kind: "put",
    ...key,
    version: row.version,
    checksum: row.checksum,
    digest: entryDigest(key, row.version, row.checksum),
    versionVector: parseVector(row.vector) ?? {},
    modifiedAt: Math.round(row.modified_at),
    documentJson: row.document,
    embedding: row.embedding === null ? null : embeddingFromBytes(row.embedding),
    embeddingModel: modelOf(row.document),
    expiresAt: row.expires_at === null ? null : Math.round(row.expires_at),
  };
}
