import assert from "node:assert/strict";

/** Asserts that `actual` has every field of `expected`, at any depth, and may have others. Arrays have equal lengths. */
export function assertMatches(actual: unknown, expected: unknown, path = "value"): void {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual), `${path} is no array`);
    assert.equal(actual.length, expected.length, `length of ${path}`);
    expected.forEach((item, index) => {
      assertMatches(actual[index], item, `${path}[${index}]`);
    });
  } else if (typeof expected === "object" && expected !== null && !ArrayBuffer.isView(expected)) {
    assert.ok(typeof actual === "object" && actual !== null, `${path} is ${String(actual)}, expected an object`);
    for (const [name, value] of Object.entries(expected)) {
      assertMatches((actual as Record<string, unknown>)[name], value, `${path}.${name}`);
    }
  } else {
    assert.deepEqual(actual, expected, `${path}: found ${shown(actual)}, expected ${shown(expected)}`);
  }
}

/** Asserts that there are `count` answers, all of them `answer`. */
export function assertAll(answers: readonly string[], answer: string, count: number): void {
  assert.equal(answers.length, count, "number of answers");
  const others = answers.flatMap((found, index) => (found === answer ? [] : [`${found} at ${index}`]));
  assert.deepEqual(others, [], `expected "${answer}" everywhere`);
}

/** The error that `call` rejects with; null when it resolves. */
export async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => null,
    (error: unknown) => error,
  );
}

function shown(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
}
