import { embeddingBytes } from "../domain/checksum.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { ERASED_TEXT } from "./scrub-statements.ts";

/** The origin of the side that contradicts the ledger: a store, or an import. */
export type ConflictOrigin = StoreId | "import";

/** The evidence of a finding, kept before its repair changes anything. */
export interface EvidenceRecord extends MemoryKey {
  readonly store: ConflictOrigin;
  readonly kind: string;
  readonly strategy: string;
  /** Why the conflict awaits a decision; null when its repair follows at once. */
  readonly pendingBecause: string | null;
  readonly foundVersion: number | null;
  /** `live`, `tombstone` or `malformed`; null: nothing was there. */
  readonly foundState: string | null;
  readonly foundChecksum: string | null;
  readonly foundDocument: Buffer | null;
  readonly foundEmbedding: Buffer | null;
  readonly foundVector: string | null;
  /** Milliseconds since 1970. */
  readonly foundModifiedAt: number | null;
  readonly ledgerVersion: number | null;
  readonly ledgerChecksum: string | null;
  readonly ledgerDocument: string | null;
  readonly ledgerEmbedding: Float32Array | null;
  readonly ledgerVector: string | null;
  /** Milliseconds since 1970. */
  readonly ledgerModifiedAt: number | null;
  readonly evidence: string;
}

/** A record as it is read back. */
export interface ConflictRecord extends Omit<EvidenceRecord, "ledgerEmbedding"> {
  /** Decimal. */
  readonly id: string;
  readonly state: "pending" | "resolved" | "failed";
  readonly ledgerEmbedding: Buffer | null;
  /** Milliseconds since 1970. */
  readonly detectedAt: number;
  readonly resolvedAt: number | null;
  /** The repair that was made, or why it failed. */
  readonly resolution: string | null;
}

/** Parts of one value with a length each, -1 for those that are absent: one parameter for any number of them. */
function pack(parts: readonly (Buffer | null)[]): { packed: Buffer; lengths: string } {
  return {
    packed: Buffer.concat(parts.filter((part) => part !== null)),
    lengths: arrayLiteral(parts.map((part) => part?.length ?? -1)),
  };
}

/**
 * Keeps evidence as `pending`. Reuses the record that an interrupted run kept of the same finding.
 * @returns the records' ids, in order.
 */
export async function keepEvidence(sql: Sql, records: readonly EvidenceRecord[]): Promise<string[]> {
  const [namespaces, memoryIds] = keyLiterals(records);
  const column = (pick: (record: EvidenceRecord) => string | number | null): string => arrayLiteral(records.map(pick));
  const documents = pack(records.map(({ foundDocument }) => foundDocument));
  const embeddings = pack(records.map(({ foundEmbedding }) => foundEmbedding));
  const own = pack(records.map(({ ledgerEmbedding }) => ledgerEmbedding && embeddingBytes(ledgerEmbedding)));
  const rows = await sql<{ id: string }[]>`
    with erased as materialized (
      -- What is found of a memory that was erased must not come back as evidence.
      select v.namespace, v.memory_id
      from (select distinct * from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[])) k (namespace, memory_id)
      cross join lateral (
        select v.namespace, v.memory_id from mnemosync.memory_versions v
        where v.namespace = k.namespace and v.memory_id = k.memory_id and v.ended_by = 'erased' offset 0
      ) v
    ), input as materialized (
      select i.*, e.memory_id is not null as is_erased,
             case when document_length >= 0 then substr(${documents.packed}::bytea,
               (sum(greatest(document_length, 0)) over rows_before)::int - document_length + 1, document_length) end
               as found_document,
             case when embedding_length >= 0 then substr(${embeddings.packed}::bytea,
               (sum(greatest(embedding_length, 0)) over rows_before)::int - embedding_length + 1, embedding_length) end
               as found_embedding,
             case when own_length >= 0 then substr(${own.packed}::bytea,
               (sum(greatest(own_length, 0)) over rows_before)::int - own_length + 1, own_length) end
               as ledger_embedding
      from unnest(
        ${namespaces}::text::text[],
        ${memoryIds}::text::text[],
        ${column((record) => record.store)}::text::text[],
        ${column((record) => record.kind)}::text::text[],
        ${column((record) => record.strategy)}::text::text[],
        ${column((record) => record.pendingBecause)}::text::text[],
        ${column((record) => record.foundVersion)}::text::bigint[],
        ${column((record) => record.foundState)}::text::text[],
        ${column((record) => record.foundChecksum)}::text::text[],
        ${documents.lengths}::text::int[],
        ${embeddings.lengths}::text::int[],
        ${column((record) => record.foundVector)}::text::text[],
        ${column((record) => record.foundModifiedAt)}::text::float8[],
        ${column((record) => record.ledgerVersion)}::text::bigint[],
        ${column((record) => record.ledgerChecksum)}::text::text[],
        ${column((record) => record.ledgerDocument)}::text::text[],
        ${own.lengths}::text::int[],
        ${column((record) => record.ledgerVector)}::text::text[],
        ${column((record) => record.ledgerModifiedAt)}::text::float8[],
        ${column((record) => record.evidence)}::text::text[]
      ) with ordinality as i (namespace, memory_id, store, kind, strategy, pending_because, found_version, found_state,
                              found_checksum, document_length, embedding_length, found_vector, found_modified_at,
                              ledger_version, ledger_checksum, ledger_document, own_length, ledger_vector,
                              ledger_modified_at, evidence, position)
      left join erased e on e.namespace = i.namespace and e.memory_id = i.memory_id
      window rows_before as (order by i.position)
    ), known as (
      select distinct on (i.position) i.position, c.id
      from input i
      join mnemosync.conflict_resolutions c
        on c.namespace = i.namespace and c.memory_id = i.memory_id and c.store = i.store and c.kind = i.kind
       and c.state = 'pending'
       and c.found_version is not distinct from i.found_version and c.found_state is not distinct from i.found_state
       and c.found_checksum is not distinct from i.found_checksum
       and c.found_document is not distinct from i.found_document
       and c.found_embedding is not distinct from i.found_embedding
       and c.ledger_version is not distinct from i.ledger_version
      order by i.position, c.id
    ), locked as materialized (
      select c.id from known k join mnemosync.conflict_resolutions c on c.id = k.id order by c.id for update of c
    ), renewed as (
      update mnemosync.conflict_resolutions c
      set strategy = i.strategy, pending_because = i.pending_because
      from locked l join known k on k.id = l.id join input i on i.position = k.position
      where c.id = k.id
    ), ids as materialized (
      select position, nextval(pg_get_serial_sequence('mnemosync.conflict_resolutions', 'id')) as id
      from input where position not in (select position from known)
    ), inserted as (
      insert into mnemosync.conflict_resolutions
        (id, namespace, memory_id, store, kind, strategy, state, pending_because, found_version, found_state,
         found_checksum, found_document, found_embedding, found_vector, found_modified_at, ledger_version,
         ledger_checksum, ledger_document, ledger_embedding, ledger_vector, ledger_modified_at, evidence)
      overriding system value
      select d.id, namespace, memory_id, store, kind, strategy, 'pending', pending_because, found_version, found_state,
             ${unlessErased(sql, sql`found_checksum`)}, ${unlessErased(sql, sql`found_document`)},
             ${unlessErased(sql, sql`found_embedding`)}, found_vector, to_timestamp(found_modified_at / 1000.0),
             ledger_version, ${unlessErased(sql, sql`ledger_checksum`)}, ${unlessErased(sql, sql`ledger_document::json`)},
             ${unlessErased(sql, sql`ledger_embedding`)}, ledger_vector, to_timestamp(ledger_modified_at / 1000.0),
             case when is_erased then ${ERASED_TEXT} else evidence end
      from input i join ids d on d.position = i.position
    )
    select id::text as id from (select position, id from known union all select position, id from ids) all_ids
    order by position`;
  return rows.map(({ id }) => id);
}

function unlessErased(sql: Sql, value: Fragment): Fragment {
  return sql`case when not is_erased then ${value} end`;
}

/** Records how pending findings ended. A finding that ended before is not changed. */
export async function settleEvidence(
  sql: Sql,
  endings: readonly { id: string; state: "resolved" | "failed"; resolution: string }[],
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    with i as materialized (
      select * from unnest(
        ${arrayLiteral(endings.map(({ id }) => id))}::text::bigint[],
        ${arrayLiteral(endings.map(({ state }) => state))}::text::text[],
        ${arrayLiteral(endings.map(({ resolution }) => resolution.slice(0, 2_000)))}::text::text[]
      ) as e (id, state, resolution)
    ), locked as materialized (
      -- In the order of ids, as an erasure locks them too.
      select c.id from i join mnemosync.conflict_resolutions c on c.id = i.id and c.state = 'pending' order by c.id for update of c
    )
    update mnemosync.conflict_resolutions c
    set state = i.state, resolution = i.resolution, resolved_at = clock_timestamp(), pending_because = null
    from i join locked on locked.id = i.id
    where c.id = i.id and c.state = 'pending'
    returning c.id::text as id`;
  return rows.map(({ id }) => id);
}

export interface ConflictFilter {
  readonly state?: "pending" | "resolved" | "failed";
  readonly namespace?: string;
  readonly memoryId?: string;
  /** Only conflicts that await a decision (true), or only those whose repair was interrupted (false). */
  readonly waiting?: boolean;
  /** Only records behind this id. */
  readonly after?: string;
  readonly limit: number;
}

interface ConflictRow {
  id: string;
  namespace: string;
  memory_id: string;
  store: ConflictOrigin;
  kind: string;
  strategy: string;
  state: ConflictRecord["state"];
  pending_because: string | null;
  found_version: number | null;
  found_state: string | null;
  found_checksum: string | null;
  found_document: Buffer | null;
  found_embedding: Buffer | null;
  found_vector: string | null;
  found_modified_at: number | null;
  ledger_version: number | null;
  ledger_checksum: string | null;
  ledger_document: string | null;
  ledger_embedding: Buffer | null;
  ledger_vector: string | null;
  ledger_modified_at: number | null;
  evidence: string | null;
  detected_at: number;
  resolved_at: number | null;
  resolution: string | null;
}

/** Records in the order of their ids. */
export async function listConflicts(sql: Sql, filter: ConflictFilter): Promise<ConflictRecord[]> {
  const { state = null, namespace = null, memoryId = null, waiting = null, after = "0", limit } = filter;
  const rows = await sql<ConflictRow[]>`
    select ${conflictColumns(sql)}
    from mnemosync.conflict_resolutions
    where id > ${after}::text::bigint
      and (${state}::text is null or state = ${state})
      and (${namespace}::text is null or namespace = ${namespace})
      and (${memoryId}::text is null or memory_id = ${memoryId})
      and (${waiting}::boolean is null or (state = 'pending' and (pending_because is not null or strategy = 'manual') = ${waiting}))
    order by conflict_resolutions.id
    limit ${limit}`;
  return rows.map(conflictRecord);
}

export async function readConflict(sql: Sql, id: string): Promise<ConflictRecord | null> {
  const [row] = await sql<ConflictRow[]>`
    select ${conflictColumns(sql)} from mnemosync.conflict_resolutions where id = ${id}::text::bigint`;
  return row === undefined ? null : conflictRecord(row);
}

function conflictColumns(sql: Sql) {
  return sql`
    id::text as id, namespace, memory_id, store, kind, strategy, state, pending_because,
    found_version::float8 as found_version, found_state, found_checksum, found_document, found_embedding, found_vector,
    extract(epoch from found_modified_at)::float8 * 1000 as found_modified_at,
    ledger_version::float8 as ledger_version, ledger_checksum, ledger_document::text as ledger_document,
    ledger_embedding, ledger_vector, extract(epoch from ledger_modified_at)::float8 * 1000 as ledger_modified_at,
    evidence, extract(epoch from detected_at)::float8 * 1000 as detected_at,
    extract(epoch from resolved_at)::float8 * 1000 as resolved_at, resolution`;
}

function conflictRecord(row: ConflictRow): ConflictRecord {
  const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value));
  return {
    id: row.id,
    namespace: row.namespace,
    memoryId: row.memory_id,
    store: row.store,
    kind: row.kind,
    strategy: row.strategy,
    state: row.state,
    pendingBecause: row.pending_because,
    foundVersion: row.found_version,
    foundState: row.found_state,
    foundChecksum: row.found_checksum,
    foundDocument: row.found_document,
    foundEmbedding: row.found_embedding,
    foundVector: row.found_vector,
    foundModifiedAt: rounded(row.found_modified_at),
    ledgerVersion: row.ledger_version,
    ledgerChecksum: row.ledger_checksum,
    ledgerDocument: row.ledger_document,
    ledgerEmbedding: row.ledger_embedding,
    ledgerVector: row.ledger_vector,
    ledgerModifiedAt: rounded(row.ledger_modified_at),
    evidence: row.evidence ?? "",
    detectedAt: Math.round(row.detected_at),
    resolvedAt: rounded(row.resolved_at),
    resolution: row.resolution,
  };
}
