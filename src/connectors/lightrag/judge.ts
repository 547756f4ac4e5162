import type { RagDocument } from "./documents.ts";

/** What is kept of a text that was sent, until it is known to be delivered. JSON. */
export interface Receipt {
  readonly name: string;
  /** What the server named the insert; null where it named none, so that only a listing tells. */
  readonly trackId: string | null;
  /** Milliseconds since 1970. */
  readonly sentAt: number;
  /** Times that the server was told to try it again. */
  readonly retries: number;
  /** Since when the server has not worked on it although it is idle; milliseconds since 1970, null while it does. */
  readonly idleSince: number | null;
}

/** What the documents of a receipt mean. */
export type Verdict =
  /** Processed, under exactly our name. */
  | { readonly kind: "delivered"; readonly documentId: string }
  /** The server works on it, or will. */
  | { readonly kind: "working"; readonly documentIds: readonly string[] }
  /** The server failed, and may succeed when it tries again. */
  | { readonly kind: "failed"; readonly documentIds: readonly string[]; readonly error: string }
  /** The server refused the text: another document has it. */
  | { readonly kind: "duplicate"; readonly documentId: string; readonly originalId: string }
  /** The server knows nothing of it. */
  | { readonly kind: "absent" };

/**
 * Judges the documents that the server shows for a receipt. A 200 for an insert is no delivery, and the document of another name
 * is none either.
 * @param documents of the receipt's insert or name, in any order; others are passed over.
 */
export function judge(name: string, documents: readonly RagDocument[]): Verdict {
  const own = documents.filter((document) => document.name === name);
  const processed = own.find(({ state, duplicateOf }) => state === "processed" && duplicateOf === null);
  if (processed !== undefined) return { kind: "delivered", documentId: processed.id };
  const whole = own.filter(({ duplicateOf }) => duplicateOf === null);
  const documentIds = whole.map(({ id }) => id);
  if (whole.some(({ state }) => state !== "failed")) return { kind: "working", documentIds };
  const [first] = whole;
  if (first !== undefined) return { kind: "failed", documentIds, error: first.error ?? "the server gives no reason" };
  const duplicate = own.find(({ duplicateOf }) => duplicateOf !== null);
  if (duplicate === undefined) return { kind: "absent" };
  return { kind: "duplicate", documentId: duplicate.id, originalId: duplicate.duplicateOf ?? "" };
}
