/**
 * Postgres's text form of an array, for `$1::text::text[]`: one parameter for any number of rows. The driver's own arrays
 * would need a query for array types on every connection.
 */
export function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map(element).join(",")}}`;
}

function element(value: string | number | boolean | null): string {
  if (value === null) return "null";
  if (typeof value !== "string") return String(value);
  return `"${NEEDS_ESCAPE.test(value) ? value.replace(ESCAPED, "\\$&") : value}"`;
}

const NEEDS_ESCAPE = /["\\]/;
const ESCAPED = /["\\]/g;

/** Two parallel arrays of the parts of keys. */
export function keyLiterals(keys: readonly { namespace: string; memoryId: string }[]): [string, string] {
  return [arrayLiteral(keys.map((key) => key.namespace)), arrayLiteral(keys.map((key) => key.memoryId))];
}
