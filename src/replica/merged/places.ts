import { compareUtf8 } from "../../domain/keys.ts";
import type { ScanPlace } from "../../ledger/find-statements.ts";
import type { ListOrder } from "../../read/list-options.ts";

/** The order of places in a list: negative where `a` comes first. Null is the start of the list. */
export function comparePlaces(a: ScanPlace | null, b: ScanPlace | null, order: ListOrder): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  const ascending = compareTimes(a.sort, b.sort) || compareUtf8(a.memoryId, b.memoryId);
  return order.endsWith(" desc") ? -ascending : ascending;
}

/** Both in the form of `ScanPlace.sort`, whose longer years are later ones. */
function compareTimes(a: string | null, b: string | null): number {
  if (a === null || b === null || a === b) return 0;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

/** The place that comes first; an `end` (undefined) comes last. */
export function firstPlace(
  a: ScanPlace | undefined,
  b: ScanPlace | undefined,
  order: ListOrder,
): ScanPlace | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return comparePlaces(a, b, order) <= 0 ? a : b;
}
