import { embeddingFromBytes } from "../../domain/checksum.ts";
import { type FilterSubject, passes } from "../../domain/filter/evaluate.ts";
import type { Condition } from "../../domain/filter/filter.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryDocument } from "../../domain/memory.ts";
import type { WireVector } from "../../hub/protocol/wire-memory.ts";
import type { FileContext } from "./context.ts";
import type { MemoryRow } from "./memories.ts";
import { documentOfRow } from "./side.ts";

/** Where a memory stands: `local_only` ones never leave. */
export type MemorySyncStatus = "pending" | "synced" | "conflict" | "failed" | "local_only";

/** A memory as it is here. */
export interface EdgeMemory extends MemoryKey, MemoryDocument {
  readonly embedding: WireVector | null;
  /** Whether content, metadata and embedding are withheld from this device. They read as empty then. */
  readonly withheld: boolean;
  /** The hub's version that it is, or is based on; 0: the hub has none. */
  readonly version: number;
  readonly createdAt: number;
  /** Milliseconds since 1970 by the hub's clock, as far as it is known. */
  readonly modifiedAt: number;
  readonly status: MemorySyncStatus;
}

export interface FoundMemory extends EdgeMemory {
  /** Text: BM25, higher is better. Vector: the cosine. */
  readonly score: number;
}

export interface EdgePage {
  readonly memories: readonly EdgeMemory[];
  /** Where the next page begins; null at the end. */
  readonly cursor: string | null;
}

type ReadRow = MemoryRow & { readonly head_status: string | null };

/** The first change's status comes along, so that no second statement is needed. */
const COLUMNS = `memory.*, (select status from outbox where namespace = memory.namespace and memory_id = memory.memory_id
  order by seq limit 1) as head_status`;
const IS_LIVE = "memory.deleted = 0 and (memory.expires_at is null or memory.expires_at > ?)";

/** Rows that one page looks at for a filter, at most. */
const LOOKED_AT_MAX = 5_000;
const WORDS_MAX = 64;
/** By this many times more matches are looked at, where a filter let too few of them through. */
const WIDER = 8;

/** Reads of the file. */
export class Reads {
  readonly #context: FileContext;

  constructor(context: FileContext) {
    this.#context = context;
  }

  get({ namespace, memoryId }: MemoryKey, nowMs: number): EdgeMemory | null {
    const sql = `select ${COLUMNS} from memories memory where namespace = ? and memory_id = ? and ${IS_LIVE}`;
    const row = this.#context.file.get<ReadRow>(sql, namespace, memoryId, nowMs);
    return row === undefined ? null : memoryOf(row);
  }

  /** In the order of ids, by their UTF-8 bytes. A page may be short before the end, where a filter lets little through. */
  list(namespace: string, condition: Condition, limit: number, after: string, nowMs: number): EdgePage {
    const memories: EdgeMemory[] = [];
    const sql = `select ${COLUMNS} from memories memory where namespace = ? and memory_id > ? and ${IS_LIVE}
      order by memory_id limit ?`;
    let last = after;
    for (let lookedAt = 0; lookedAt < LOOKED_AT_MAX; ) {
      const rows = this.#context.file.all<ReadRow>(sql, namespace, last, nowMs, limit);
      for (const row of rows) {
        last = row.memory_id;
        if (passes(condition, subjectOf(row))) memories.push(memoryOf(row));
        if (memories.length === limit) return { memories, cursor: last };
      }
      if (rows.length < limit) return { memories, cursor: null };
      lookedAt += rows.length;
    }
    return { memories, cursor: last };
  }

  /** Memories with any of the words, the best first. */
  searchText(namespace: string, text: string, condition: Condition, k: number, nowMs: number): FoundMemory[] {
    const query = matchQuery(text);
    if (query === null) return [];
    // With a limit SQLite keeps that many rows while it sorts; without one, all that match: 100,000 of them took 30 MB.
    const sql = `select memory.row as row, bm25(memory_text) as rank from memory_text
      join memories memory on memory.row = memory_text.rowid
      where memory_text match ? and memory.namespace = ? and ${IS_LIVE} order by rank, memory.memory_id limit ?`;
    const found: FoundMemory[] = [];
    let lookedAt = 0;
    for (let limit = isUnconditional(condition) ? k : k * WIDER; ; limit *= WIDER) {
      const rows = this.#context.file.all<{ row: number; rank: number }>(sql, query, namespace, nowMs, limit);
      for (const { row, rank } of rows.slice(lookedAt)) {
        const memory = this.#one(row);
        if (memory === undefined || !passes(condition, subjectOf(memory))) continue;
        found.push({ ...memoryOf(memory), score: -rank });
        if (found.length === k) return found;
      }
      if (rows.length < limit) return found;
      lookedAt = rows.length;
    }
  }

  /** The nearest memories by the cosine, every vector compared. Vectors of another length are passed over. */
  searchVector(namespace: string, vector: WireVector, condition: Condition, k: number, nowMs: number): FoundMemory[] {
    const best: { row: number; score: number; memoryId: string }[] = [];
    const length = norm(vector);
    if (length === 0) return [];
    const isAny = isUnconditional(condition);
    const columns = isAny ? "memory.row, memory.memory_id, memory.embedding" : "memory.*";
    const sql = `select ${columns} from memories memory where namespace = ? and embedding is not null and ${IS_LIVE}`;
    for (const row of this.#context.file.iterate<MemoryRow>(sql, namespace, nowMs)) {
      const bytes = row.embedding as Uint8Array;
      if (bytes.byteLength !== vector.byteLength) continue;
      const score = cosine(vector, length, bytes);
      const isAmongBest = best.length < k || score > (best.at(-1)?.score ?? 0);
      if (!isAmongBest || !(isAny || passes(condition, subjectOf(row)))) continue;
      insertSorted(best, { row: row.row, score, memoryId: row.memory_id });
      if (best.length > k) best.pop();
    }
    return best.flatMap(({ row, score }) => {
      const found = this.#one(row);
      return found === undefined ? [] : [{ ...memoryOf(found), score }];
    });
  }

  #one(row: number): ReadRow | undefined {
    return this.#context.file.get<ReadRow>(`select ${COLUMNS} from memories memory where row = ?`, row);
  }

  count(nowMs: number): number {
    return (
      this.#context.file.get<{ n: number }>(`select count(*) as n from memories memory where ${IS_LIVE}`, nowMs)?.n ?? 0
    );
  }
}

function isUnconditional(condition: Condition): boolean {
  return condition.kind === "all" && condition.of.length === 0;
}

function memoryOf(row: ReadRow): EdgeMemory {
  return {
    namespace: row.namespace,
    memoryId: row.memory_id,
    ...documentOfRow(row),
    embedding: row.embedding === null ? null : embeddingFromBytes(row.embedding),
    withheld: row.withheld === 1,
    version: row.version,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    status: statusOf(row),
  };
}

function statusOf({ head_status, privacy }: ReadRow): MemorySyncStatus {
  if (head_status === "held") return "conflict";
  if (head_status === "failed") return "failed";
  if (head_status !== null) return "pending";
  return privacy === "local_only" ? "local_only" : "synced";
}

function subjectOf(row: MemoryRow): FilterSubject {
  const { metadata, embeddingModel, expiresAt } = documentOfRow({ ...row, content: null });
  return {
    memoryId: row.memory_id,
    memoryType: row.memory_type,
    importance: row.importance,
    privacy: row.privacy,
    embeddingModel,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    expiresAt,
    metadata,
  };
}

/** Each word as a string of FTS5, so that no character of a caller's text is an operator. Null: no word in it. */
export function matchQuery(text: string): string | null {
  const words = text.match(/[\p{L}\p{N}]+/gu)?.slice(0, WORDS_MAX) ?? [];
  return words.length === 0 ? null : words.map((word) => `"${word}"`).join(" OR ");
}

function insertSorted<Item extends { score: number; memoryId: string }>(sorted: Item[], item: Item): void {
  let place = sorted.length;
  while (place > 0 && isBetter(item, sorted[place - 1] as Item)) place--;
  sorted.splice(place, 0, item);
}

function isBetter<Item extends { score: number; memoryId: string }>(one: Item, other: Item): boolean {
  return one.score > other.score || (one.score === other.score && one.memoryId < other.memoryId);
}

function norm(vector: WireVector): number {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.sqrt(squares);
}

function cosine(vector: WireVector, length: number, bytes: Uint8Array): number {
  // Bytes of a driver may stand at an offset that float32 cannot be read from.
  const isAligned = bytes.byteOffset % 4 === 0;
  const other = isAligned ? new Float32Array(bytes.buffer, bytes.byteOffset, vector.length) : embeddingFromBytes(bytes);
  let product = 0;
  let squares = 0;
  for (let index = 0; index < vector.length; index++) {
    const value = other[index] as number;
    product += value * (vector[index] as number);
    squares += value * value;
  }
  return squares === 0 ? 0 : product / (length * Math.sqrt(squares));
}
