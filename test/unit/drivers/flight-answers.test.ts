import { expect, test } from "vitest";
import { FlightAnswers } from "../../../src/drivers/postgres/flight-answers.ts";

const message = (type: string, ...parts: (string | number[])[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(body.byteLength + 4, 1);
  return Buffer.concat([head, body]);
};

const ANSWERS = Buffer.concat([
  message("1"),
  message("1"),
  message("2"),
  message("D", [0, 2, 0, 0, 0, 2], "ab", [255, 255, 255, 255]),
  message("D", [0, 2, 0, 0, 0, 0, 0, 0, 0, 1], "c"),
  message("C", "SELECT 2\0"),
  message("2"),
  message("G", [1, 0, 0]),
  message("N", "SNOTICE\0\0"),
  message("C", "COPY 85\0"),
  message("2"),
  message("C", "BEGIN\0"),
  message("Z", "T"),
  message("S", "a\0b\0"),
]);

const REST = message("S", "a\0b\0");

test("answers are the same wherever the bytes are cut", () => {
  for (let first = 0; first <= ANSWERS.byteLength; first++) {
    for (const second of [first, Math.min(first + 7, ANSWERS.byteLength)]) {
      const told: string[] = [];
      const answers = new FlightAnswers((bytes) => told.push(bytes.toString("latin1", 0, 1)));
      let rest: Buffer | null = null;
      let late = Buffer.alloc(0);
      for (const part of [ANSWERS.subarray(0, first), ANSWERS.subarray(first, second), ANSWERS.subarray(second)]) {
        // What comes behind the end is the driver's.
        if (rest === null) rest = answers.read(part);
        else late = Buffer.concat([late, part]);
      }
      expect(Buffer.concat([rest ?? Buffer.alloc(0), late])).toEqual(REST);
      expect(answers.prepared).toBe(2);
      expect(answers.failure).toBeNull();
      expect(told).toEqual(["N"]);
      expect(answers.all.map(({ count }) => count)).toEqual([2, 85, 0]);
      expect(answers.all[0]?.rows.map((row) => row.map((bytes) => bytes?.toString() ?? null))).toEqual([
        ["ab", null],
        ["", "c"],
      ]);
    }
  }
});

test("an error is kept until the end of the flight, the first of several", () => {
  const answers = new FlightAnswers(() => undefined);
  const error = (code: string) => message("E", `SFEHLER\0VERROR\0C${code}\0Mno\0nrows_pkey\0\0`);
  expect(answers.read(Buffer.concat([message("2"), error("23505")]))).toBeNull();
  expect(answers.read(Buffer.concat([error("25P02"), message("Z", "E")]))).toEqual(Buffer.alloc(0));
  expect(answers.failure).toMatchObject({
    message: "no",
    code: "23505",
    severity: "ERROR",
    constraint_name: "rows_pkey",
  });
});

test("a message that no flight is answered with is an error", () => {
  expect(() => new FlightAnswers(() => undefined).read(message("T", "x"))).toThrow('message "T"');
});
