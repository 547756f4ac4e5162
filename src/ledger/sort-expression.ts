/** Fields by which a list can be ordered, beside the id, where the ledger has an index of the order. */
export const SORT_FIELDS = ["createdAt", "modifiedAt", "importance"] as const;
export type SortField = (typeof SORT_FIELDS)[number];

/**
 * The importance in the document of a row of `memory_bodies`, as the text that stands there, so that a place in the order is exact.
 * A document that was damaged by hand counts as 0: otherwise no index could be built over it.
 */
export const IMPORTANCE_TEXT =
  "case when json_typeof(document -> 'importance') = 'number' then document ->> 'importance' else '0' end";

/**
 * What the index of an order and a list in that order have in common: of a row of `memory_versions`, and for the importance of
 * a row of `memory_bodies` with a document. Never null.
 */
export function sortExpression(field: SortField): string {
  switch (field) {
    case "createdAt":
      return "coalesce(created_at, modified_at)";
    case "modifiedAt":
      return "modified_at";
    case "importance":
      return `(${IMPORTANCE_TEXT})::float8`;
  }
}
