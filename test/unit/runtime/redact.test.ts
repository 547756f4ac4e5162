import { expect, test } from "vitest";
import { createLog } from "../../../src/runtime/log.ts";
import { redactedFields } from "../../../src/runtime/redact.ts";

test("secrets and what memories say are hidden wherever they stand", () => {
  const fields = {
    memoryId: "m1",
    error: "connect to postgres://me:tops3cret@db:5432/x failed",
    settings: { apiKey: "sk-1", Password: "p", nested: [{ redisUrl: "redis://:x@h" }] },
    memory: { content: "private", embedding: new Float32Array(3), version: 3 },
    cause: Object.assign(new Error("at redis://:tops3cret@h"), { code: "ECONNREFUSED" }),
  };
  expect(redactedFields(fields)).toEqual({
    memoryId: "m1",
    error: "connect to postgres://[redacted]@db:5432/x failed",
    settings: { apiKey: "[redacted]", Password: "[redacted]", nested: [{ redisUrl: "[redacted]" }] },
    memory: { content: "[redacted]", embedding: "[redacted]", version: 3 },
    cause: {
      type: "Error",
      message: "at redis://[redacted]@h",
      code: "ECONNREFUSED",
      stack: expect.not.stringContaining("tops3cret"),
    },
  });
});

test("a password that is not percent-encoded is hidden as a whole", () => {
  expect(redactedFields("connect to redis://:p@ss:w@h:6379 failed")).toBe(
    "connect to redis://[redacted]@h:6379 failed",
  );
});

test("an address without credentials, and an @ behind its end, stay as they are", () => {
  for (const text of [
    "see https://example.com/a@b",
    "postgres://db:5432/x of me@example.com",
    '{"url":"http://h","to":"a@b"}',
  ]) {
    expect(redactedFields(text)).toBe(text);
  }
});

test("the id of an access key is shown, and a key is not", () => {
  expect(redactedFields({ keyId: "agent-7", key: "mns_agent-7_secret" })).toEqual({
    keyId: "agent-7",
    key: "[redacted]",
  });
});

const MEBIBYTE = 1_048_576;

// A pattern that takes quadratic time needs minutes for each of them, and so breaks the test's time-out.
test.each([
  ["letters", "a".repeat(MEBIBYTE)],
  ["one address without an end", `x://${"a".repeat(MEBIBYTE)}`],
  ["beginnings of addresses", "x://".repeat(MEBIBYTE / 4)],
  ["colons and slashes", ":/".repeat(MEBIBYTE / 2)],
  ["schemes", "a.b-c+d:".repeat(MEBIBYTE / 8)],
])("a mebibyte of %s is searched in linear time", (_, text) => {
  expect(redactedFields(text)).toBe(text);
});

test("a mebibyte of credentials is hidden in linear time", () => {
  const addresses = (credentials: string) => `x://${credentials}@h `.repeat(MEBIBYTE / 16);
  expect(redactedFields(addresses("user:word"))).toBe(addresses("[redacted]"));
});

test("a log line holds no character that a terminal obeys, and is read back as it was logged", () => {
  const lines: string[] = [];
  const log = createLog("info", { write: (line) => lines.push(line) });
  const text = "\u001b[2J \u009b31m \u202e reversed \u2028 \u007f and\nanother line";
  log.info({ memoryId: text, error: new Error(text) }, "test.logged");
  expect(lines).toHaveLength(1);
  const [line] = lines;
  expect(line?.endsWith("}\n")).toBe(true);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are searched for
  expect(line?.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
  expect(JSON.parse(line ?? "")).toMatchObject({ memoryId: text, error: { message: text }, msg: "test.logged" });
});
