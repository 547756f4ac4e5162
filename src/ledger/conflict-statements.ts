import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";

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

/** Spelled out: for a parameter the planner could not use the index of pending records, and read all that were ever kept. */
const pending = (sql: Sql) => sql`and state = 'pending'`;

/** Records in the order of their ids. */
export async function listConflicts(sql: Sql, filter: ConflictFilter): Promise<ConflictRecord[]> {
  const { state, namespace = null, memoryId = null, waiting = null, after = "0", limit } = filter;
  const rows = await sql<ConflictRow[]>`
    select ${conflictColumns(sql)}
    from mnemosync.conflict_resolutions
    where id > ${after}::text::bigint
      ${state === undefined ? sql`` : state === "pending" ? pending(sql) : sql`and state = ${state}`}
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
