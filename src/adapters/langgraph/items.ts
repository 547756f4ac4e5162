import type { Item } from "@langchain/langgraph-checkpoint";
import type { JsonObject, JsonValue, MemoryInput } from "../../index.ts";
import { idOf, nameOf } from "./item-id.ts";
import { textsAt } from "./texts-at.ts";

/** The metadata of a memory that stores an item. */
export interface ItemMetadata {
  readonly value: Record<string, JsonValue>;
  /** Whether its content is the text that it is found by. */
  readonly indexed: boolean;
}

/** The fields of a memory that make an item; of one that was read or listed. */
interface ItemMemory {
  readonly memoryId: string;
  readonly metadata: JsonObject;
  readonly createdAt?: number | undefined;
  readonly modifiedAt: number;
}

/** Null: the memory is no item. */
export function itemOf({ memoryId, metadata, createdAt, modifiedAt }: ItemMemory): Item | null {
  const name = nameOf(memoryId);
  const value = metadata.value;
  if (name === null || typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return {
    value,
    key: name.key,
    namespace: name.path,
    createdAt: new Date(createdAt ?? modifiedAt),
    updatedAt: new Date(modifiedAt),
  };
}

export interface ItemToPut {
  readonly path: readonly string[];
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Paths of the texts that it is found by; none: it is found by filter only. */
  readonly fields: readonly string[];
  readonly expiresAt: Date | null;
  readonly memoryType: string;
}

export function memoryOf({ path, key, value, fields, expiresAt, memoryType }: ItemToPut): MemoryInput {
  // As JSON has it, which is what comes back: a Date becomes a text, and a field that is undefined is absent.
  const text = JSON.stringify(value);
  const plain = JSON.parse(text) as Record<string, JsonValue>;
  const texts = fields.flatMap((field) => (field === "$" ? [text] : textsAt(plain, field)));
  const content = texts.join("\n");
  const indexed = content !== "";
  const metadata: ItemMetadata = { value: plain, indexed };
  return {
    memoryId: idOf(path, key),
    content: indexed ? content : text,
    memoryType,
    metadata: metadata as unknown as JsonObject,
    expiresAt,
  };
}
