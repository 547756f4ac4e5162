import { isDeepStrictEqual } from "node:util";
import type { Filter } from "../../index.ts";

/** A filter of items in two parts: what the ledger decides, and what is left to decide here. */
export interface ItemFilter {
  readonly where: Filter[];
  /** Of values that the filter language cannot compare: objects and lists. Undefined: nothing is left. */
  readonly passes?: (value: Readonly<Record<string, unknown>>) => boolean;
}

const OPERATORS = {
  $eq: "eq",
  $ne: "ne",
  $gt: "gt",
  $gte: "gte",
  $lt: "lt",
  $lte: "lte",
  $in: "in",
} as const;

/**
 * `{ status: "active", score: { $gte: 3 } }`, by fields of the value's top level. Larger and smaller compare numbers with numbers and
 * texts with texts.
 * @throws {TypeError} An operator is unknown.
 */
export function itemFilter(filter: Readonly<Record<string, unknown>> = {}): ItemFilter {
  const where: Filter[] = [];
  const left: [string, unknown][] = [];
  for (const [name, wanted] of Object.entries(filter)) {
    if (wanted === undefined) continue;
    if (isScalar(wanted)) where.push(test(name, "eq", wanted));
    else if (isOperators(wanted)) where.push(...testsOf(name, wanted));
    else left.push([name, wanted]);
  }
  if (left.length === 0) return { where };
  return { where, passes: (value) => left.every(([name, wanted]) => isDeepStrictEqual(value[name], wanted)) };
}

function testsOf(name: string, operators: Readonly<Record<string, unknown>>): Filter[] {
  return Object.entries(operators).map(([operator, operand]) => {
    // An empty list is no list of the filter language: nothing is in it, and everything is not.
    if (operator === "$in" && isEmpty(operand)) return { not: {} };
    if (operator === "$nin") return isEmpty(operand) ? {} : { not: test(name, "in", operand) };
    const known = OPERATORS[operator as keyof typeof OPERATORS];
    if (known !== undefined) return test(name, known, operand);
    const expected = [...Object.keys(OPERATORS), "$nin"].join(", ");
    throw new TypeError(`filter.${name}: ${operator} is no operator: expected one of ${expected}`);
  });
}

function test(name: string, operator: string, operand: unknown): Filter {
  return { [`metadata.value[${JSON.stringify(name)}]`]: { [operator]: operand } } as Filter;
}

function isEmpty(operand: unknown): boolean {
  return Array.isArray(operand) && operand.length === 0;
}

function isScalar(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isOperators(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => name.startsWith("$"));
}
