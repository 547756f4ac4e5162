import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import { receiveCopyData } from "../drivers/postgres/copy-streams.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { wideRow } from "./body-rows.ts";
import { CopyRows } from "./copy-rows.ts";
import { modelOf } from "./read-statements.ts";

/**
 * Current versions with their documents behind `after`, in the order of their keys, `limit` at most.
 *
 * As a binary COPY: otherwise the server sends all values as text and vectors as hexadecimal digits, which took both sides
 * twice the time. A COPY takes no parameters, so its text contains the key.
 */
export async function listChanges(sql: Sql, after: MemoryKey | null, limit: number): Promise<MemoryChange[]> {
  const { namespace, memoryId } = after ?? { namespace: "", memoryId: "" };
  const stream = await sql`
    copy (
      select v.namespace, v.memory_id, v.version::float8, v.checksum, v.digest, v.version_vector::text,
             extract(epoch from v.modified_at)::float8 * 1000, extract(epoch from v.expires_at)::float8 * 1000,
             m.document::text, m.embedding
      from (
        select * from mnemosync.memory_versions
        where (namespace, memory_id) > (${textLiteral(sql, namespace)}, ${textLiteral(sql, memoryId)})
        order by namespace, memory_id
        limit ${sql.unsafe(String(Math.trunc(limit)))}
      ) v
      left join lateral ${wideRow(sql)} m on true
      order by v.namespace, v.memory_id
    ) to stdout (format binary)`.readable();
  const rows = new CopyRows(await receiveCopyData(stream));
  const changes: MemoryChange[] = [];
  while (rows.next(COLUMNS)) changes.push(readChange(rows));
  return changes;
}

const COLUMNS = 10;

/** Reads the columns in the order of the query. */
function readChange(rows: CopyRows): MemoryChange {
  const namespace = rows.text() ?? "";
  const memoryId = rows.text() ?? "";
  const version = rows.float() ?? 0;
  const checksum = rows.text();
  const digest = rows.digits();
  const versionVector = rows.versionVector();
  const modifiedAt = Math.round(rows.float() ?? 0);
  const expiresAt = rows.float();
  const documentJson = rows.text();
  const embedding = rows.embedding();
  if (checksum === null || documentJson === null)
    return { kind: "tombstone", namespace, memoryId, version, modifiedAt };
  return {
    kind: "put",
    namespace,
    memoryId,
    version,
    checksum,
    digest: digest ?? "",
    versionVector: versionVector ?? {},
    modifiedAt,
    documentJson,
    embedding,
    embeddingModel: modelOf(documentJson),
    expiresAt: expiresAt === null ? null : Math.round(expiresAt),
  };
}

/** In hexadecimal digits, which need no escaping. */
function textLiteral(sql: Sql, text: string): Fragment {
  return sql.unsafe(`convert_from(decode('${Buffer.from(text).toString("hex")}', 'hex'), 'UTF8')`);
}
