import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arrayLiteral, keyLiterals } from "../../../src/ledger/arrays.ts";
import fc from "../../support/properties.ts";
import { postgresUrl } from "../../support/services.ts";

let sql: postgres.Sql;
beforeAll(() => {
  sql = postgres(postgresUrl(), { max: 1 });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
});

describe("an array literal", () => {
  test.each([
    [[], "{}"],
    [["a", null, "b c"], '{"a",null,"b c"}'],
    [["", "null", "{}", ","], '{"","null","{}",","}'],
    [['"', "\\", '\\"'], '{"\\"","\\\\","\\\\\\""}'],
    [[1, -2.5, 1e21, null], "{1,-2.5,1e+21,null}"],
    [[true, false], "{true,false}"],
  ])("of %o is %s", (values, literal) => {
    expect(arrayLiteral(values)).toBe(literal);
  });

  test("comes out of Postgres as it went in, whatever its texts hold", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: fc.constantFrom("\\", '"', "{", "}", ",", " ", "\n", "'", "N", "null", "😀") }),
    );
    const values = fc.array(
      fc.option(
        text.filter((value) => !value.includes("\u0000")),
        { freq: 4 },
      ),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(values, async (given) => {
        const [row] = await sql`select to_json(${arrayLiteral(given)}::text::text[])::text as json`;
        expect(JSON.parse(row?.json)).toEqual(given);
      }),
      { numRuns: 60 },
    );
  });
});

test("keys become two arrays that run in parallel", () => {
  const keys = [
    { namespace: "a", memoryId: "1" },
    { namespace: "b", memoryId: '"' },
  ];
  expect(keyLiterals(keys)).toEqual(['{"a","b"}', '{"1","\\""}']);
});
