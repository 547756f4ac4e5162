import type { Condition } from "../domain/filter/filter.ts";

/**
 * The ids that a filter names where it asks for nothing else: an erasure by such a filter covers these memories as if each were
 * named by itself, deleted and unknown ones too. Null for any other filter.
 */
export function namedIds(condition: Condition): readonly string[] | null {
  if (condition.kind === "all" && condition.of.length === 1) return namedIds(condition.of[0] as Condition);
  if (condition.kind !== "test" || condition.field !== "memoryId") return null;
  if (condition.operator !== "eq" && condition.operator !== "in") return null;
  return [...new Set([condition.value].flat().map(String))];
}
