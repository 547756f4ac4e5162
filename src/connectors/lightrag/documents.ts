import { isObject } from "../../domain/json.ts";

/** States of a document, of both contracts. `other`: one that this program does not know. */
export const DOCUMENT_STATES = [
  "pending",
  "parsing",
  "analyzing",
  "processing",
  "preprocessed",
  "processed",
  "failed",
  "other",
] as const;
export type DocumentState = (typeof DOCUMENT_STATES)[number];

/** A document as the server lists it. */
export interface RagDocument {
  readonly id: string;
  /** Our name, where it is ours: the server keeps it as `file_path`. */
  readonly name: string;
  readonly state: DocumentState;
  /** What the server says of a failure; null: nothing. */
  readonly error: string | null;
  /** Set where the server refused the text because another document has it: the id of that one, or empty. */
  readonly duplicateOf: string | null;
}

const ERROR_LENGTH_MAX = 500;

/** Null for a record without an id: it cannot be named to the server. */
export function parseDocument(value: unknown): RagDocument | null {
  if (!isObject(value) || typeof value.id !== "string" || value.id === "") return null;
  const metadata = isObject(value.metadata) ? value.metadata : {};
  const original = metadata.original_doc_id;
  const isDuplicate = metadata.is_duplicate === true || value.id.startsWith("dup-");
  const error = value.error_msg ?? value.error;
  return {
    id: value.id,
    name: typeof value.file_path === "string" ? value.file_path : "",
    state: stateOf(value.status),
    error: typeof error === "string" && error !== "" ? error.slice(0, ERROR_LENGTH_MAX) : null,
    duplicateOf: isDuplicate ? (typeof original === "string" ? original : "") : null,
  };
}

/** Lower case on the wire; keys of summaries read `DocStatus.PROCESSED`. */
function stateOf(value: unknown): DocumentState {
  const state = String(value)
    .toLowerCase()
    .replace(/^docstatus\./, "");
  return (DOCUMENT_STATES as readonly string[]).includes(state) ? (state as DocumentState) : "other";
}
