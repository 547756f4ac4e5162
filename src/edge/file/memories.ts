import type { MemoryKey } from "../../domain/keys.ts";
import type { SentPrivacy } from "../../hub/protocol/privacy.ts";
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

/** What is known of a memory at the hub. */
export interface HubFacts {
  readonly version: number;
  readonly epoch: string | null;
  readonly hubKey: string | null;
  readonly ownKey: string | null;
  readonly ownParentKey: string | null;
}

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
    const columns = [
      side.withheld ? null : document.content,
      document.memoryType,
      document.importance,
      side.withheld ? null : JSON.stringify(document.metadata),
      document.privacy,
      document.embeddingModel ?? null,
      document.expiresAt === undefined ? null : Date.parse(document.expiresAt),
      side.withheld ? null : vectorBytes(side.embedding),
      side.withheld ? 1 : 0,
      modifiedAt,
    ] as const;
    if (before === undefined) {
      this.#context.file.run(
        `insert into memories (content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding,
         withheld, modified_at, created_at, namespace, memory_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
