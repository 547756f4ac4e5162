/** Fields by which a list can be ordered, beside the id, where the ledger has an index of the order. */
export const SORT_FIELDS = ["createdAt", "modifiedAt"] as const;
export type SortField = (typeof SORT_FIELDS)[number];

/** What the index of an order and a list in that order have in common, of a row of `memory_versions`. Never null. */
export function sortExpression(field: SortField): string {
  return field === "createdAt" ? "coalesce(created_at, modified_at)" : "modified_at";
}
