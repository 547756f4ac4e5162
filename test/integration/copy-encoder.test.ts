import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import postgres from "postgres";
import { expect, test } from "vitest";
import { CopyEncoder } from "../../src/ledger/copy-encoder.ts";
import { WireBuffers } from "../../src/runtime/wire-buffers.ts";
import { postgresUrl } from "../support/services.ts";

interface Row {
  text: string | null;
  json: string | null;
  jsonb: string;
  int: number;
  bigint: number | null;
  digits: string | null;
  at: number | null;
  bytes: Buffer | null;
}

const ROWS: Row[] = [
  {
    text: "plain",
    json: '{"b":1, "a":[2]}',
    jsonb: '{"node":3}',
    int: 65_535,
    bigint: 1,
    digits: "0123456789abcdef",
    at: Date.parse("2026-03-04T05:06:07.089Z"),
    bytes: Buffer.from([0, 255, 10, 92]),
  },
  {
    text: "",
    json: '"ü ↯ 🜁 \\"\\\\"',
    jsonb: "{}",
    int: -1,
    bigint: Number.MAX_SAFE_INTEGER,
    digits: "ffffffffffffffff",
    at: Date.parse("1969-12-31T23:59:59.999Z"),
    bytes: Buffer.alloc(0),
  },
  {
    text: "line\nbreak\ttab\\N ü ↯ 🜁",
    json: "null",
    jsonb: '{"ü":1}',
    int: 0,
    bigint: Number.MIN_SAFE_INTEGER,
    digits: "8000000000000000",
    at: Date.parse("2000-01-01T00:00:00.000Z"),
    bytes: Buffer.alloc(5_000, 7),
  },
  { text: null, json: null, jsonb: "[]", int: 7, bigint: null, digits: null, at: null, bytes: null },
];

function encode(rows: readonly Row[], bytesExpected: number): Buffer {
  const encoder = new CopyEncoder(new WireBuffers(), bytesExpected);
  for (const row of rows) {
    encoder.row(8);
    encoder.text(row.text);
    encoder.text(row.json);
    encoder.jsonb(row.jsonb);
    encoder.int32(row.int);
    encoder.int64(row.bigint);
    encoder.int64Digits(row.digits);
    encoder.timestamp(row.at);
    encoder.bytea(row.bytes);
  }
  return encoder.end();
}

test.each([0, 1_000_000])("values of all types arrive as they were, with room for %i bytes at first", async (bytes) => {
  const sql = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  try {
    await sql`
      create temporary table copied (text text, json json, jsonb jsonb, int integer, bigint bigint, digits bigint,
                                     at timestamptz, bytes bytea)`;
    const stream: Writable = await sql`copy copied from stdin (format binary)`.writable();
    stream.end(encode(ROWS, bytes));
    await finished(stream);
    const found = await sql`
      select text, json::text as json, jsonb, int, bigint::text as bigint, to_hex(digits) as digits,
             extract(epoch from at) * 1000 as at, bytes
      from copied`;
    expect(found.map((row) => ({ ...row, at: row.at === null ? null : Number(row.at) }))).toEqual(
      ROWS.map(({ jsonb, bigint, digits, ...row }) => ({
        ...row,
        jsonb: JSON.parse(jsonb),
        bigint: bigint === null ? null : String(bigint),
        digits: digits === null ? null : digits.replace(/^0+/, ""),
      })),
    );
  } finally {
    await sql.end({ timeout: 5 });
  }
});
