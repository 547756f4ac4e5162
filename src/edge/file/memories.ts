import { InternalError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { SentPrivacy } from "../../hub/protocol/privacy.ts";
import type { SqlValue } from "../sqlite/database.ts";
import type { FileContext } from "./context.ts";
import { type MemoryColumns, parseSide, type Side, sideJson, sideOfRow, vectorBytes } from "./side.ts";

/** A memory of the file, with what is known of it at the hub. */
export interface MemoryRow extends MemoryColumns {
  readonly row: number;
  readonly namespace: string;
  readonly memory_id: string;
  readonly created_at: number;
  readonly modified_at: number;
  readonly version: number;
  readonly epoch: string | null;
  readonly hub_key: string | null;
  readonly own_key: string | null;
  readonly own_parent_key: string | null;
  readonly sent_privacy: SentPrivacy;
  readonly withdrew: number;
  readonly base_json: string | null;
  readonly base_embedding: Uint8Array | null;
  readonly seen: number;
}

/** What stands in the way of an edit. */
export interface Standing {
  readonly row: MemoryRow | undefined;
  readonly isErased: boolean;
  readonly hasChanges: boolean;
}

/** What is known of a memory at the hub. */
export interface HubFacts {
  readonly version: number;
  readonly epoch: string | null;
  readonly hubKey: string | null;
  readonly ownKey: string | null;
  readonly ownParentKey: string | null;
}

/** What becomes known with a change of the hub that is taken over. */
export interface AdoptedFacts {
  readonly modifiedAt: number;
  readonly hub: HubFacts;
  readonly sent: SentPrivacy;
  readonly withdrew: boolean | undefined;
  /** The resync that met it. */
  readonly seen: number;
}

const DOCUMENT_COLUMNS =
  "content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld";

/** The table of memories. All methods run in the transaction of their caller. */
export class Memories {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  find({ namespace, memoryId }: MemoryKey): MemoryRow | undefined {
    return this.#context.file.get<MemoryRow>(
      "select * from memories where namespace = ? and memory_id = ?",
      namespace,
      memoryId,
    );
  }

  /**
   * What stands in the way of an edit, in one statement: the row, changes of it in the outbox, and whether it was erased. Of a new
   * memory no row is answered: turning its two dozen columns into an object took longer than looking for them.
   */
  standing({ namespace, memoryId }: MemoryKey): Standing {
    const found = this.#context.file.get<MemoryRow & { is_erased: number; has_changes: number }>(
      `select memory.*,
         exists (select 1 from erased where namespace = sought.namespace and memory_id = sought.memory_id) as is_erased,
         exists (select 1 from outbox where namespace = sought.namespace and memory_id = sought.memory_id) as has_changes
       from (select ? as namespace, ? as memory_id) sought
       left join memories memory on memory.namespace = sought.namespace and memory.memory_id = sought.memory_id
       where memory.row is not null or is_erased or has_changes`,
      namespace,
      memoryId,
    );
    const row = found === undefined || found.row === null ? undefined : found;
    return { row, isErased: found?.is_erased === 1, hasChanges: found?.has_changes === 1 };
  }

  /**
   * Makes the row what the hub has, with all that is known of it there, in one statement: a first pull writes all memories of
   * the hub this way. The side has a document.
   * @param facts.withdrew undefined: as it was.
   */
  writeAsHub(key: MemoryKey, side: Side, before: MemoryRow | undefined, facts: AdoptedFacts): void {
    const { modifiedAt, hub, sent, withdrew, seen } = facts;
    const columns = [...documentColumns(side), modifiedAt] as const;
    const known = [hub.version, hub.epoch, hub.hubKey, hub.ownKey, hub.ownParentKey, sent, seen] as const;
    if (before === undefined) {
      this.#context.file.run(
        `insert into memories (${DOCUMENT_COLUMNS}, modified_at, version, epoch, hub_key, own_key, own_parent_key,
         sent_privacy, seen, withdrew, created_at, namespace, memory_id)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
        ...columns,
        ...known,
        modifiedAt,
        key.namespace,
        key.memoryId,
      );
      return;
    }
    this.#context.file.run(
      `update memories set content = ?, memory_type = ?, importance = ?, metadata = ?, privacy = ?, embedding_model = ?,
       expires_at = ?, embedding = ?, withheld = ?, modified_at = ?, version = ?, epoch = ?, hub_key = ?, own_key = ?,
       own_parent_key = ?, sent_privacy = ?, seen = ?, withdrew = coalesce(?, withdrew), deleted = 0, base_json = null,
       base_embedding = null, created_at = case when deleted = 1 then ? else created_at end where row = ?`,
      ...columns,
      ...known,
      withdrew === undefined ? null : withdrew ? 1 : 0,
      modifiedAt,
      before.row,
    );
  }

  /** The hub took the edit, and nothing is behind it: the row is what the hub has. One statement, as a drain does it often. */
  settle(row: number, hub: HubFacts | null, modifiedAt: number, seen: number): void {
    const facts = hub === null ? "" : "version = ?, epoch = ?, hub_key = ?, own_key = ?, own_parent_key = ?, ";
    this.#context.file.run(
      `update memories set ${facts}base_json = null, base_embedding = null, modified_at = ?, seen = ? where row = ?`,
      ...(hub === null ? [] : [hub.version, hub.epoch, hub.hubKey, hub.ownKey, hub.ownParentKey]),
      modifiedAt,
      seen,
      row,
    );
  }

  /** Makes the memory say what `side` says. A memory that has ended keeps its row, for its version. */
  write(key: MemoryKey, side: Side, modifiedAt: number, before: MemoryRow | undefined): void {
    const { document } = side;
    if (document === null) {
      this.#context.file.run(
        `update memories set deleted = 1, content = null, metadata = null, embedding = null, embedding_model = null,
         expires_at = null, withheld = 0, modified_at = ? where namespace = ? and memory_id = ?`,
        modifiedAt,
        key.namespace,
        key.memoryId,
      );
      return;
    }
    const columns = [...documentColumns(side), modifiedAt] as const;
    if (before === undefined) {
      this.#context.file.run(
        `insert into memories (${DOCUMENT_COLUMNS}, modified_at, created_at, namespace, memory_id)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...columns,
        modifiedAt,
        key.namespace,
        key.memoryId,
      );
      return;
    }
    this.#context.file.run(
      `update memories set content = ?, memory_type = ?, importance = ?, metadata = ?, privacy = ?, embedding_model = ?,
       expires_at = ?, embedding = ?, withheld = ?, modified_at = ?, deleted = 0,
       created_at = case when deleted = 1 then ? else created_at end where row = ?`,
      ...columns,
      modifiedAt,
      before.row,
    );
  }

  /** Keeps what the hub has, while the memory here says something else. Null: both are the same again. */
  setBase(key: MemoryKey, base: Side | null): void {
    this.#context.file.run(
      "update memories set base_json = ?, base_embedding = ? where namespace = ? and memory_id = ?",
      base === null ? null : sideJson(base),
      base === null ? null : vectorBytes(base.embedding),
      key.namespace,
      key.memoryId,
    );
  }

  setHub(key: MemoryKey, hub: HubFacts): void {
    this.#context.file.run(
      `update memories set version = ?, epoch = ?, hub_key = ?, own_key = ?, own_parent_key = ?
       where namespace = ? and memory_id = ?`,
      hub.version,
      hub.epoch,
      hub.hubKey,
      hub.ownKey,
      hub.ownParentKey,
      key.namespace,
      key.memoryId,
    );
  }

  /** Notes what the hub is about to be sent of the memories of these places in the outbox. */
  setSentOf(places: readonly number[], sent: SentPrivacy): void {
    if (places.length === 0) return;
    this.#context.file.run(
      `update memories set sent_privacy = ? where sent_privacy <> ? and row in (
         select memory.row from json_each(?) place
         cross join outbox change on change.seq = place.value
         join memories memory on memory.namespace = change.namespace and memory.memory_id = change.memory_id)`,
      sent,
      sent,
      JSON.stringify(places),
    );
  }

  setSent(key: MemoryKey, sent: SentPrivacy, withdrew?: boolean): void {
    this.#context.file.run(
      "update memories set sent_privacy = ?, withdrew = coalesce(?, withdrew) where namespace = ? and memory_id = ?",
      sent,
      withdrew === undefined ? null : withdrew ? 1 : 0,
      key.namespace,
      key.memoryId,
    );
  }

  setSeen(key: MemoryKey, generation: number): void {
    this.#context.file.run(
      "update memories set seen = ? where namespace = ? and memory_id = ? and seen <> ?",
      generation,
      key.namespace,
      key.memoryId,
      generation,
    );
  }

  remove({ namespace, memoryId }: MemoryKey): void {
    this.#context.file.run("delete from memories where namespace = ? and memory_id = ?", namespace, memoryId);
  }
}

/** The side of the hub that the row is based on; null: the hub never had the memory. */
export function baseOf(row: MemoryRow): Side | null {
  if (row.base_json !== null) return parseSide(row.base_json, row.base_embedding);
  return row.version === 0 ? null : sideOfRow(row);
}

/** Values of `DOCUMENT_COLUMNS`. The side has a document. */
function documentColumns({ document, embedding, withheld }: Side): SqlValue[] {
  if (document === null) throw new InternalError("an ended memory has no columns of a document");
  return [
    withheld ? null : document.content,
    document.memoryType,
    document.importance,
    withheld ? null : JSON.stringify(document.metadata),
    document.privacy,
    document.embeddingModel ?? null,
    document.expiresAt === undefined ? null : Date.parse(document.expiresAt),
    withheld ? null : vectorBytes(embedding),
    withheld ? 1 : 0,
  ];
}
