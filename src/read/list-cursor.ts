import { createHash } from "node:crypto";
import { decodeCursorParts, encodeCursorParts } from "../domain/cursor-text.ts";
import { ValidationError } from "../domain/errors.ts";
import type { Condition } from "../domain/filter/filter.ts";
import { textFlaw } from "../domain/json.ts";
import { VERSION_MAX } from "../domain/version-vector.ts";
import type { ScanPlace } from "../ledger/find-statements.ts";
import type { SortField } from "../ledger/sort-expression.ts";
import { type ListOrder, sortFieldOf } from "./list-options.ts";

/** Format of the text. A later program reads this one as long as it accepts cursors of today. */
const PREFIX = "l1.";
/** A time as `ScanPlace.sort` has it. */
const TIME = /^\d{4,6}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;
const NAMESPACES_PREFIX = "n1.";
const TEXT_LENGTH_MAX = 16_384;

/** What a list shows, and in which order. A cursor belongs to one of them. */
export interface ListScope {
  readonly namespace: string;
  readonly condition: Condition;
  readonly order: ListOrder;
}

/**
 * A place behind a memory, as one opaque text.
 * @param replica the place up to which the list has shown what a replica alone has, where it is another one; null: the start.
 */
export function encodeListCursor(place: ScanPlace, scope: ListScope, replica?: ScanPlace | null): string {
  const behind = replica === undefined ? [] : [replica === null ? [] : partsOf(replica, scope)];
  return encodeCursorParts(PREFIX, [fingerprint(scope), ...partsOf(place, scope), ...behind]);
}

/** The place behind which the list goes on. @throws {ValidationError} The text is no cursor, or one of another list. */
export function decodeListCursor(text: unknown, scope: ListScope): ScanPlace {
  return decodeListPlaces(text, scope).place;
}

/** As `decodeListCursor`, with the place of the replica: the same one where the cursor names none. */
export function decodeListPlaces(text: unknown, scope: ListScope): { place: ScanPlace; replica: ScanPlace | null } {
  const parts = decodeCursorParts(PREFIX, text, TEXT_LENGTH_MAX);
  if (!Array.isArray(parts)) throw malformed("a list");
  const [bound, ...places] = parts as unknown[];
  const behind = Array.isArray(places.at(-1)) ? (places.pop() as unknown[]) : null;
  if (typeof bound !== "string" || !isPlace(places[0])) throw malformed("a list");
  if (bound !== fingerprint(scope)) {
    throw new ValidationError(
      "cursor",
      "belongs to another list: give the namespace, where and orderBy that it was read with, or no cursor, to begin anew",
    );
  }
  const place = placeOf(places, scope);
  return { place, replica: behind === null ? place : behind.length === 0 ? null : placeOf(behind, scope) };
}

function partsOf({ memoryId, sort, version }: ScanPlace, { order }: ListScope): unknown[] {
  const parts: unknown[] = [memoryId];
  // Damage may have written the number in another way.
  if (sort !== null) parts.push(sortFieldOf(order) === "importance" ? String(Number(sort)) : sort);
  if (version !== undefined) parts.push(version);
  return parts;
}

function placeOf(parts: readonly unknown[], { order }: ListScope): ScanPlace {
  const [memoryId, sort = null, version] = parts;
  const field = sortFieldOf(order);
  if (parts.length > 3 || !isPlace(memoryId) || !isSort(sort, field)) throw malformed("a list");
  if (version === undefined) return { memoryId, sort };
  if (field !== "importance" || !isVersion(version)) throw malformed("a list");
  return { memoryId, sort, version };
}

function isSort(sort: unknown, field: SortField | null): sort is string | null {
  if (field === null) return sort === null;
  if (typeof sort !== "string") return false;
  return field === "importance" ? Number.isFinite(Number(sort)) && String(Number(sort)) === sort : TIME.test(sort);
}

function isVersion(version: unknown): version is number {
  return Number.isInteger(version) && (version as number) >= 1 && (version as number) <= VERSION_MAX;
}

export function encodeNamespaceCursor(namespace: string): string {
  return encodeCursorParts(NAMESPACES_PREFIX, [namespace]);
}

/** The namespace behind which the list goes on. @throws {ValidationError} The text is no cursor. */
export function decodeNamespaceCursor(text: unknown): string {
  const parts = decodeCursorParts(NAMESPACES_PREFIX, text, TEXT_LENGTH_MAX);
  if (!Array.isArray(parts) || parts.length !== 1 || !isPlace(parts[0])) throw malformed("namespaces");
  return parts[0];
}

function isPlace(value: unknown): value is string {
  return typeof value === "string" && value !== "" && textFlaw(value) === null;
}

function malformed(list: string): ValidationError {
  return new ValidationError("cursor", `is no cursor of ${list}: expected the text that a page gave as its cursor`);
}

/** Filters may be long: what has to be told is whether two lists are the same. */
function fingerprint({ namespace, condition, order }: ListScope): string {
  const text = JSON.stringify([namespace, order, conditionText(condition)]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The same for filters that name the same tests in another order. */
function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case "test":
      return JSON.stringify([condition.field, condition.operator, condition.value]);
    case "not":
      return `not(${conditionText(condition.of)})`;
    default:
      return `${condition.kind}(${condition.of.map(conditionText).sort().join()})`;
  }
}
