import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { compareUtf8 } from "../keys.ts";
import type { Condition, FieldTest, Scalar } from "./filter.ts";
import type { FieldName } from "./filter-schema.ts";

/** The parts of a memory that a filter asks for. Times in milliseconds since 1970. */
export interface FilterSubject {
  readonly memoryId: string;
  readonly memoryType: string;
  readonly importance: number;
  readonly privacy: string;
  readonly embeddingModel?: string | undefined;
  /** Known to the ledger alone: where it is absent, only conditions that do not ask for it can be evaluated. */
  readonly createdAt?: number | undefined;
  readonly modifiedAt: number;
  /** ISO-8601. */
  readonly expiresAt?: string | undefined;
  readonly metadata: JsonObject;
}

/** Whether a memory passes. The ledger's SQL of the same condition gives the same answer for every memory. */
export function passes(condition: Condition, memory: FilterSubject): boolean {
  switch (condition.kind) {
    case "all":
      return condition.of.every((part) => passes(part, memory));
    case "any":
      return condition.of.some((part) => passes(part, memory));
    case "not":
      return !passes(condition.of, memory);
    case "test":
      return holds(condition, valueIn(memory, condition.field));
  }
}

function valueIn(memory: FilterSubject, field: FieldTest["field"]): JsonValue | undefined {
  if (typeof field === "object") return entryOf(memory.metadata, field.metadata);
  if (field === "expiresAt") return memory.expiresAt === undefined ? undefined : Date.parse(memory.expiresAt);
  return memory[field satisfies FieldName];
}

/** Through objects only: a list has no names. */
function entryOf(metadata: JsonObject, names: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = metadata;
  for (const name of names) {
    if (value === undefined || !isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function holds({ operator, value: operand }: FieldTest, value: JsonValue | undefined): boolean {
  switch (operator) {
    case "eq":
      return value === operand;
    case "ne":
      return value !== operand;
    case "in":
      return (operand as readonly unknown[]).includes(value);
    case "exists":
      return (value !== undefined) === operand;
    case "contains":
      return Array.isArray(value) && value.includes(operand as Scalar);
    case "prefix":
      return typeof value === "string" && value.startsWith(operand as string);
    default: {
      const order = orderOf(value, operand as Scalar);
      if (order === null) return false;
      if (operator === "gt") return order > 0;
      if (operator === "gte") return order >= 0;
      return operator === "lt" ? order < 0 : order <= 0;
    }
  }
}

/** Negative, zero or positive; null where the two have no order. */
function orderOf(value: JsonValue | undefined, operand: Scalar): number | null {
  if (typeof value === "number" && typeof operand === "number") return value - operand || 0;
  if (typeof value === "string" && typeof operand === "string") return compareUtf8(value, operand);
  return null;
}
