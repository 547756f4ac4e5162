import { embeddingBytes } from "../domain/checksum.ts";
import { StoreRefusedError } from "../domain/errors.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import type { EvidenceRecord } from "./conflict-statements.ts";
import { ERASED_TEXT } from "./scrub-statements.ts";

/** How a finding on record ended. */
export interface EvidenceEnding {
  /** Decimal. */
  readonly id: string;
  readonly state: "resolved" | "failed";
  readonly resolution: string;
}

/** Characters of a resolution that are kept. */
export const RESOLUTION_MAX = 2_000;

/** Columns of the table that `KEEP_GIVEN` reads, in order, but for those of bytes. */
export const INPUT_COLUMNS = `namespace, memory_id, store, kind, strategy, pending_because, found_version, found_state,
       found_checksum, found_vector, found_modified_at, ledger_version, ledger_checksum, ledger_document, ledger_vector,
       ledger_modified_at, evidence`;

const unlessErased = (value: string): string => `case when not i.is_erased then ${value} end`;

/**
 * Keeps the rows of a table called given (`INPUT_COLUMNS`, the three of bytes, and a position) as `pending`. Reuses the record that
 * an interrupted run kept of the same finding. It answers with the records' ids, in order.
 */
export const KEEP_GIVEN = `erased as materialized (
      -- What is found of a memory that was erased must not come back as evidence.
      select v.namespace, v.memory_id
      from (select distinct namespace, memory_id from given) k
      cross join lateral (
        select v.namespace, v.memory_id from mnemosync.memory_versions v
        where v.namespace = k.namespace and v.memory_id = k.memory_id and v.ended_by = 'erased' offset 0
      ) v
    ), input as materialized (
      select g.*, e.memory_id is not null as is_erased
      from given g left join erased e on e.namespace = g.namespace and e.memory_id = g.memory_id
    ), known as materialized (
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
      -- The name of the sequence is looked up once, not for each row.
      select position, nextval((select pg_get_serial_sequence('mnemosync.conflict_resolutions', 'id')::regclass)) as id
      from input where position not in (select position from known)
    ), inserted as (
      insert into mnemosync.conflict_resolutions
        (id, namespace, memory_id, store, kind, strategy, state, pending_because, found_version, found_state,
         found_checksum, found_document, found_embedding, found_vector, found_modified_at, ledger_version,
         ledger_checksum, ledger_document, ledger_embedding, ledger_vector, ledger_modified_at, evidence)
      overriding system value
      select d.id, namespace, memory_id, store, kind, strategy, 'pending', pending_because, found_version, found_state,
             ${unlessErased("found_checksum")}, ${unlessErased("found_document")}, ${unlessErased("found_embedding")},
             found_vector, to_timestamp(found_modified_at / 1000.0), ledger_version, ${unlessErased("ledger_checksum")},
             ${unlessErased("ledger_document::json")}, ${unlessErased("ledger_embedding")}, ledger_vector,
             to_timestamp(ledger_modified_at / 1000.0), case when i.is_erased then '${ERASED_TEXT}' else evidence end
      from input i join ids d on d.position = i.position
      returning id
    )
    select id from (
      select position, id from known
      union all select d.position, d.id from ids d join inserted n on n.id = d.id
    ) kept
    order by position`;

/** Settles the rows of a table called i (id, state, resolution) that are pending until now. It answers with their ids. */
export const SETTLE_GIVEN = `locked as materialized (
      -- In the order of ids, as an erasure locks them too.
      select c.id from i join mnemosync.conflict_resolutions c on c.id = i.id and c.state = 'pending' order by c.id for update of c
    )
    update mnemosync.conflict_resolutions c
    set state = i.state, resolution = i.resolution, resolved_at = clock_timestamp(), pending_because = null
    from i join locked on locked.id = i.id
    where c.id = i.id and c.state = 'pending'
    returning c.id`;

/** Parts of one value with a length each, -1 for those that are absent: one parameter for any number of them. */
function pack(parts: readonly (Buffer | null)[]): { packed: Buffer; lengths: string } {
  return {
    packed: Buffer.concat(parts.filter((part) => part !== null)),
    lengths: arrayLiteral(parts.map((part) => part?.length ?? -1)),
  };
}

/**
 * Keeps evidence as `pending`. Reuses the record that an interrupted run kept of the same finding. For connections that send no
 * flights (`keepEvidenceInFlight`).
 * @returns the records' ids, in order.
 */
export async function keepEvidence(sql: Sql, records: readonly EvidenceRecord[]): Promise<string[]> {
  const [namespaces, memoryIds] = keyLiterals(records);
  const column = (pick: (record: EvidenceRecord) => string | number | null): string => arrayLiteral(records.map(pick));
  const documents = pack(records.map(({ foundDocument }) => foundDocument));
  const embeddings = pack(records.map(({ foundEmbedding }) => foundEmbedding));
  const own = pack(records.map(({ ledgerEmbedding }) => ledgerEmbedding && embeddingBytes(ledgerEmbedding)));
  const rows = await sql<{ id: string }[]>`
    with given as materialized (
      select i.*,
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
        ${column((record) => record.foundVector)}::text::text[],
        ${column((record) => record.foundModifiedAt)}::text::float8[],
        ${column((record) => record.ledgerVersion)}::text::bigint[],
        ${column((record) => record.ledgerChecksum)}::text::text[],
        ${column((record) => record.ledgerDocument)}::text::text[],
        ${column((record) => record.ledgerVector)}::text::text[],
        ${column((record) => record.ledgerModifiedAt)}::text::float8[],
        ${column((record) => record.evidence)}::text::text[],
        ${documents.lengths}::text::int[],
        ${embeddings.lengths}::text::int[],
        ${own.lengths}::text::int[]
      ) with ordinality as i (${sql.unsafe(INPUT_COLUMNS)}, document_length, embedding_length, own_length, position)
      window rows_before as (order by i.position)
    ), ${sql.unsafe(KEEP_GIVEN)}`;
  return allKept(
    rows.map(({ id }) => id),
    records,
  );
}

/** @throws {StoreRefusedError} A trigger left records out: what they are about must not be overwritten. */
export function allKept(ids: string[], records: readonly EvidenceRecord[]): string[] {
  if (ids.length === records.length) return ids;
  const reason = `only ${ids.length} of ${records.length} records of evidence were kept: a trigger leaves out the others`;
  throw new StoreRefusedError("postgres", reason);
}

/** Records how pending findings ended. A finding that ended before is not changed. For connections that send no flights. */
export async function settleEvidence(sql: Sql, endings: readonly EvidenceEnding[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    with i as materialized (
      select * from unnest(
        ${arrayLiteral(endings.map(({ id }) => id))}::text::bigint[],
        ${arrayLiteral(endings.map(({ state }) => state))}::text::text[],
        ${arrayLiteral(endings.map(({ resolution }) => resolution.slice(0, RESOLUTION_MAX)))}::text::text[]
      ) as e (id, state, resolution)
    ), ${sql.unsafe(SETTLE_GIVEN)}`;
  return rows.map(({ id }) => id);
}
