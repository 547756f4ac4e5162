import type { Identity } from "../api/documents.ts";
import type { Page } from "../page-props.ts";

/** The right that a page needs and the key lacks, as a sentence; null: it lacks none. */
export function missingRight({ access }: Page, { scope, operator }: Identity): string | null {
  if (access === "admin" && scope !== "admin") return "This page is for keys with the scope admin";
  if (access === "operator" && !operator) return "This page is for keys with the scope admin for all namespaces";
  return null;
}
