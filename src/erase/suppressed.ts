import { decodeCursorParts, encodeCursorParts } from "../domain/cursor-text.ts";
import { ValidationError } from "../domain/errors.ts";
import { textFlaw } from "../domain/json.ts";
import type { MemoryKey } from "../domain/keys.ts";

/** The id of an erased memory, which no write may bring back. */
export interface SuppressedMemory extends MemoryKey {
  /** The latest erasure of it. */
  readonly erasureId: string;
  /** Milliseconds since 1970; null: its erasure has not reached it yet. */
  readonly erasedAt: number | null;
}

export interface SuppressedPage {
  /** In the order of namespaces and ids. */
  readonly memories: readonly SuppressedMemory[];
  /** Where the next page begins; null at the end, and only there. */
  readonly cursor: string | null;
}

/** Ids of one page, at most. */
export const SUPPRESSED_PAGE_MAX = 1_000;

const PREFIX = "s1.";
const TEXT_LENGTH_MAX = 4_096;

export function encodeSuppressedCursor({ namespace, memoryId }: MemoryKey): string {
  return encodeCursorParts(PREFIX, [namespace, memoryId]);
}

/** The key behind which the list goes on. @throws {ValidationError} The text is no cursor. */
export function decodeSuppressedCursor(text: unknown): { namespace: string; memoryId: string } {
  const parts = decodeCursorParts(PREFIX, text, TEXT_LENGTH_MAX);
  const [namespace, memoryId] = Array.isArray(parts) && parts.length === 2 ? (parts as unknown[]) : [];
  if (isStorable(namespace) && isStorable(memoryId)) return { namespace, memoryId };
  throw new ValidationError(
    "cursor",
    "is no cursor of suppressed ids: expected the text that a page gave as its cursor",
  );
}

function isStorable(value: unknown): value is string {
  return typeof value === "string" && textFlaw(value) === null;
}
