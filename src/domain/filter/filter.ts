import type * as z from "zod";
import { ValidationError } from "../errors.ts";
import { isObject } from "../json.ts";
import { parseFilterPath } from "./filter-path.ts";
import { type FieldName, fieldTests, METADATA_PREFIX, metadataTest } from "./filter-schema.ts";

type Test<T extends z.ZodType> = z.input<T>;

/**
 * Which memories are meant. All that is named must hold; an empty object means every memory.
 *
 *     { memoryType: { in: ["episodic", "semantic"] }, importance: { gte: 0.5 }, "metadata.user.name": { eq: "Ada" },
 *       or: [{ expiresAt: { exists: false } }, { "metadata.tags": { contains: "keep" } }] }
 *
 * Texts compare by their UTF-8 bytes. `ne` holds wherever `eq` doesn't, so also where there is no value.
 */
export type Filter = {
  readonly [Field in FieldName]?: Test<ReturnType<typeof fieldTests>[Field]> | undefined;
} & {
  readonly and?: readonly Filter[] | undefined;
  readonly or?: readonly Filter[] | undefined;
  readonly not?: Filter | undefined;
} & { readonly [path: `metadata${string}`]: Test<ReturnType<typeof metadataTest>> | undefined };

export type Scalar = string | number | boolean | null;

/** One question about one value of a memory. */
export interface FieldTest {
  readonly kind: "test";
  readonly field: FieldName | { readonly metadata: readonly string[] };
  readonly operator: Operator;
  /** Times in milliseconds since 1970. */
  readonly value: Scalar | readonly Scalar[];
}
export type Operator = "eq" | "ne" | "in" | "gt" | "gte" | "lt" | "lte" | "prefix" | "exists" | "contains";

/** A filter that was checked. */
export type Condition =
  | FieldTest
  | { readonly kind: "all" | "any"; readonly of: readonly Condition[] }
  | { readonly kind: "not"; readonly of: Condition };

/** Tests of one filter, at most, with each `and`, `or` and `not`. */
export const FILTER_TESTS_MAX = 100;
/** Levels of `and`, `or` and `not` within each other, at most. */
export const FILTER_DEPTH_MAX = 8;

const TIMES: ReadonlySet<unknown> = new Set<FieldName>(["createdAt", "modifiedAt", "expiresAt"]);

/**
 * Checks a filter and brings it into the form that is evaluated. The first flaw ends it, so the work is bounded by the
 * limits above.
 * @param path of the filter, for messages. @default "where"
 * @throws {ValidationError} naming the field or operator that is not known, or the value that doesn't fit.
 */
export function parseFilter(filter: unknown, path = "where"): Condition {
  return new Parser().parse(filter, path, 0);
}

/** Whether a filter lets every memory pass. */
export function isUnconditional(condition: Condition): boolean {
  return condition.kind === "all" && condition.of.length === 0;
}

/** Whether a filter asks for a field. */
export function asksFor(condition: Condition, field: FieldName): boolean {
  switch (condition.kind) {
    case "test":
      return condition.field === field;
    case "not":
      return asksFor(condition.of, field);
    default:
      return condition.of.some((part) => asksFor(part, field));
  }
}

class Parser {
  #tests = 0;

  parse(filter: unknown, path: string, depth: number): Condition {
    if (!isObject(filter)) throw new ValidationError(path, "expected an object of fields, and, or, not");
    if (depth > FILTER_DEPTH_MAX) throw new ValidationError(path, `nested deeper than ${FILTER_DEPTH_MAX} levels`);
    const of: Condition[] = [];
    for (const name of Object.keys(filter)) {
      const value = (filter as Record<string, unknown>)[name];
      if (value === undefined) continue;
      const at = `${path}.${name}`;
      this.#count(at);
      if (name === "not") of.push({ kind: "not", of: this.parse(value, at, depth + 1) });
      else if (name === "and" || name === "or") of.push(this.#list(name, value, at, depth));
      else of.push(...this.#testsOf(name, value, at));
    }
    const [only] = of;
    return of.length === 1 && only !== undefined ? only : { kind: "all", of };
  }

  #list(name: "and" | "or", value: unknown, at: string, depth: number): Condition {
    if (!Array.isArray(value) || value.length === 0) throw new ValidationError(at, "expected a list of filters");
    const of = value.map((filter, index) => {
      this.#count(at);
      return this.parse(filter, `${at}[${index}]`, depth + 1);
    });
    return { kind: name === "and" ? "all" : "any", of };
  }

  #testsOf(name: string, value: unknown, at: string): FieldTest[] {
    const { field, schema } = fieldOf(name, at);
    const parsed = schema.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const where = [at, ...(issue?.path ?? [])].join(".");
      throw new ValidationError(
        where,
        issue?.code === "unrecognized_keys" ? unknownOperator(issue, schema) : reasonOf(issue),
      );
    }
    const tests = Object.entries(parsed.data).filter(([, operand]) => operand !== undefined);
    return tests.map(([operator, operand]): FieldTest => {
      this.#count(at);
      const normal = TIMES.has(field) && operator !== "exists" ? times(operand, `${at}.${operator}`) : operand;
      return { kind: "test", field, operator: operator as Operator, value: normal as FieldTest["value"] };
    });
  }

  #count(at: string): void {
    this.#tests += 1;
    if (this.#tests > FILTER_TESTS_MAX)
      throw new ValidationError(at, `more than ${FILTER_TESTS_MAX} tests in one filter`);
  }
}

function fieldOf(name: string, at: string) {
  if (Object.hasOwn(fieldTests(), name)) {
    const field = name as FieldName;
    return { field, schema: fieldTests()[field] as z.ZodObject };
  }
  const path = name.slice(METADATA_PREFIX.length);
  if (name.startsWith(METADATA_PREFIX) && (path.startsWith(".") || path.startsWith("["))) {
    return { field: { metadata: parseFilterPath(path, at) }, schema: metadataTest() as z.ZodObject };
  }
  const known = [...Object.keys(fieldTests()), "metadata.<path>", "and", "or", "not"].join(", ");
  throw new ValidationError(at, `is no field of a filter: expected one of ${known}`);
}

function unknownOperator(issue: { keys: string[] }, schema: z.ZodObject): string {
  return `${JSON.stringify(issue.keys[0])} is no operator here: expected one of ${Object.keys(schema.shape).join(", ")}`;
}

function reasonOf(issue: { message: string } | undefined): string {
  return issue?.message ?? "does not fit";
}

/** From the year 1 to the end of 9999: what both JavaScript and PostgreSQL write the same. */
const TIME_MIN_MS = Date.parse("0001-01-01T00:00:00.000Z");
const TIME_MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function times(operand: unknown, at: string): number | number[] {
  if (Array.isArray(operand)) return operand.map((one) => times(one, at) as number);
  const timeMs = typeof operand === "number" ? operand : new Date(operand as string | Date).getTime();
  if (timeMs >= TIME_MIN_MS && timeMs <= TIME_MAX_MS) return timeMs;
  throw new ValidationError(at, "is no time of the years 1 to 9999");
}
