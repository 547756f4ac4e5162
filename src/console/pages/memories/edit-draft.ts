import type { Memory } from "../../api/documents.ts";
import { isObject, mergePatch } from "./merge-patch.ts";

/** A memory's fields as texts, while they are edited. */
export interface Draft {
  readonly content: string;
  readonly memoryType: string;
  readonly importance: string;
  readonly privacy: Memory["privacy"];
  readonly metadata: string;
  /** In the reader's zone, as a browser's field has it; empty: never. */
  readonly expiresAt: string;
}

export type Flaws = Partial<Readonly<Record<keyof Draft, string>>>;

export function draftOf({ content, memoryType, importance, privacy, metadata, expiresAt }: Memory): Draft {
  return {
    content,
    memoryType,
    importance: String(importance),
    privacy,
    metadata: JSON.stringify(metadata, null, 2),
    expiresAt: expiresAt === undefined ? "" : localTime(expiresAt),
  };
}

/** What the draft changes, as a merge patch; or what is wrong with it. */
export function patchOf(memory: Memory, draft: Draft): { patch: Record<string, unknown> } | { flaws: Flaws } {
  const before = draftOf(memory);
  const flaws: { -readonly [Field in keyof Draft]?: string } = {};
  const patch: Record<string, unknown> = {};
  if (draft.content !== before.content) patch.content = draft.content;
  if (draft.privacy !== before.privacy) patch.privacy = draft.privacy;
  if (draft.memoryType !== before.memoryType) {
    if (draft.memoryType.trim() === "") flaws.memoryType = "Expected a name, for example semantic.";
    patch.memoryType = draft.memoryType;
  }
  if (draft.importance !== before.importance) {
    const importance = Number(draft.importance);
    if (draft.importance.trim() === "" || !(importance >= 0 && importance <= 1)) {
      flaws.importance = "Expected a number from 0 to 1.";
    }
    patch.importance = importance;
  }
  if (draft.expiresAt !== before.expiresAt) {
    const at = draft.expiresAt === "" ? null : new Date(draft.expiresAt);
    if (at !== null && Number.isNaN(at.getTime())) flaws.expiresAt = "Expected a date and a time.";
    else patch.expiresAt = at === null ? null : at.toISOString();
  }
  if (draft.metadata !== before.metadata) {
    const read = readMetadata(memory, draft.metadata);
    if (typeof read === "string") flaws.metadata = read;
    else if (Object.keys(read).length > 0) patch.metadata = read;
  }
  return Object.keys(flaws).length > 0 ? { flaws } : { patch };
}

/** The patch of the metadata, or what is wrong with its text. */
function readMetadata({ metadata }: Memory, text: string): Record<string, unknown> | string {
  try {
    const value: unknown = text.trim() === "" ? {} : JSON.parse(text);
    return isObject(value) ? mergePatch(metadata, value) : 'Expected an object, for example {"user": "Ada"}.';
  } catch (error) {
    if (error instanceof SyntaxError) return `This is no JSON: ${error.message}.`;
    if (error instanceof RangeError) return `${error.message}.`;
    throw error;
  }
}

/** `2027-01-31T18:30`, in the reader's zone. */
function localTime(iso: string): string {
  const at = new Date(iso);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}
