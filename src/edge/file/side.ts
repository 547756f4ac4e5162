import { embeddingBytes, embeddingFromBytes } from "../../domain/checksum.ts";
import type { JsonObject } from "../../domain/json.ts";
import { canonicalJson, type MemoryDocument, type Privacy } from "../../domain/memory.ts";
import type { HubChange } from "../../hub/protocol/changes.ts";
import { decodeVector, type WireMemory, type WireVector } from "../../hub/protocol/wire-memory.ts";

/** One side of a memory: as it is here, at the hub, or as it was when both were the same. */
export interface Side {
  /** Null: it has ended. Of a withheld one, content is empty and metadata too. */
  readonly document: MemoryDocument | null;
  readonly embedding: WireVector | null;
  /** Whether privacy withholds content, metadata and embedding from this side. */
  readonly withheld: boolean;
}

export const ENDED: Side = { document: null, embedding: null, withheld: false };

/** The columns of a memory, as the file has them. */
export interface MemoryColumns {
  readonly deleted: number;
  readonly content: string | null;
  readonly memory_type: string;
  readonly importance: number;
  readonly metadata: string | null;
  readonly privacy: Privacy;
  readonly embedding_model: string | null;
  readonly expires_at: number | null;
  readonly embedding: Uint8Array | null;
  readonly withheld: number;
}

export function sideOfRow(row: MemoryColumns): Side {
  if (row.deleted === 1) return ENDED;
  const embedding = row.embedding === null ? null : embeddingFromBytes(row.embedding);
  return { document: documentOfRow(row), embedding, withheld: row.withheld === 1 };
}

export function documentOfRow(row: MemoryColumns): MemoryDocument {
  return {
    content: row.content ?? "",
    memoryType: row.memory_type,
    importance: row.importance,
    metadata: row.metadata === null ? {} : (JSON.parse(row.metadata) as JsonObject),
    privacy: row.privacy,
    ...(row.embedding_model !== null && { embeddingModel: row.embedding_model }),
    ...(row.expires_at !== null && { expiresAt: new Date(row.expires_at).toISOString() }),
  };
}

export function sideOfWire(memory: WireMemory): Side {
  const { privacy, memoryType, importance, expiresAt } = memory;
  const times = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
  if (privacy === "redacted") {
    const document = { content: "", memoryType, importance, metadata: {}, privacy, ...times };
    return { document, embedding: null, withheld: true };
  }
  const { content, metadata, embedding, embeddingModel } = memory;
  const model = embeddingModel === undefined ? {} : { embeddingModel };
  const document = { content, memoryType, importance, metadata, privacy, ...model, ...times };
  return { document, embedding: embedding === null ? null : decodeVector(embedding), withheld: false };
}

export function sideOfChange(change: HubChange): Side {
  return change.kind === "put" ? sideOfWire(change.memory) : ENDED;
}

/** Without its embedding, which is kept as bytes beside it. */
export function sideJson(side: Side): string {
  return JSON.stringify({ document: side.document, withheld: side.withheld });
}

export function parseSide(json: string, embedding: Uint8Array | null): Side {
  const { document, withheld } = JSON.parse(json) as Pick<Side, "document" | "withheld">;
  return { document, withheld, embedding: embedding === null ? null : embeddingFromBytes(embedding) };
}

export function vectorBytes(vector: WireVector | null): Uint8Array | null {
  return vector === null ? null : embeddingBytes(vector);
}

/** Whether both say the same, as far as both can see. */
export function sameSides(one: Side, other: Side): boolean {
  if (one.document === null || other.document === null) return one.document === other.document;
  if (one.withheld !== other.withheld) return false;
  if (one.withheld) return visibleText(one.document) === visibleText(other.document);
  const [left, right] = [vectorBytes(one.embedding), vectorBytes(other.embedding)];
  const sameVector = left === null || right === null ? left === right : Buffer.from(left).equals(right);
  return sameVector && canonicalJson(one.document) === canonicalJson(other.document);
}

/** The fields that a redacted memory shows. */
export function visibleText({ memoryType, importance, privacy, expiresAt }: MemoryDocument): string {
  return JSON.stringify([memoryType, importance, privacy, expiresAt ?? null]);
}

/** `whole` with the fields that a redacted side shows: what is withheld from that side stays as `whole` has it. */
export function withVisible(whole: Side, seen: MemoryDocument): Side {
  if (whole.document === null) return whole;
  const { expiresAt: _before, ...others } = whole.document;
  const { memoryType, importance, privacy, expiresAt } = seen;
  const document = { ...others, memoryType, importance, privacy, ...(expiresAt !== undefined && { expiresAt }) };
  return { ...whole, document };
}
