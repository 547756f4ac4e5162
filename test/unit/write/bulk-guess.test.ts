import { expect, test } from "vitest";
import { keyText } from "../../../src/domain/keys.ts";
import type { LockedRow } from "../../../src/ledger/write-statements.ts";
import { KnownRows } from "../../../src/write/known-rows.ts";
import { NewGuess } from "../../../src/write/new-guess.ts";
import { writeRows } from "../../../src/write/rows.ts";
import { type NotedTaskOptions, notedTask, putIntent } from "../../support/noted-rows.ts";

/** Goal: which large chunks are taken for new, and what becomes of them. Method: a transaction that notes what it is asked. */

const row: LockedRow = {
  version: 3,
  checksum: "c",
  versionVector: { n: 3 },
  hasEmbedding: false,
  endedBy: null,
  txId: "t3",
};

const MANY = Array.from({ length: 32 }, (_, at) => putIntent(at));

function taskOf(options: NotedTaskOptions = {}) {
  return notedTask({ intents: MANY, ...options });
}

test("a large chunk of unknown memories is sent as new, and gets the ledger's time", async () => {
  const { task, asked } = taskOf();
  const result = await writeRows(task);
  expect(asked).toEqual(["beginWithNew"]);
  expect(result).toMatchObject({ kind: "written" });
  const decisions = "decisions" in result ? result.decisions : [];
  expect(decisions).toHaveLength(MANY.length);
  for (const decision of decisions) {
    expect(decision).toMatchObject({
      action: "write",
      write: { version: 1, modifiedAt: 77 },
      change: { modifiedAt: 77 },
    });
  }
});

const known = new KnownRows();
known.note(keyText({ namespace: "default", memoryId: "m7" }), row);

test.each<[string, NotedTaskOptions]>([
  ["one is known", { known }],
  ["one is deleted", { intents: [...MANY, putIntent(99, { memory: null })] }],
  ["one is expected at a version", { intents: [...MANY, putIntent(99, { expectedVersion: 4 })] }],
  ["one brings its time", { intents: [...MANY, putIntent(99, { modifiedAt: 9 })] }],
  ["one is imported", { intents: [...MANY, putIntent(99, { imported: { version: 4, versionVector: {} } })] }],
  ["an attempt before was raced", { token: { ...taskOf().task.token, optimistic: false } }],
  ["an attempt before guessed wrong", { newGuess: undefined }],
  ["the connection sends no flights", { flies: false }],
])("the rows are looked for first where %s", async (_, options) => {
  const { task, asked } = taskOf(options);
  expect(await writeRows(task)).toMatchObject({ kind: "written" });
  expect(asked).toEqual(["begin", "write"]);
});

test("after a wrong guess the next chunk is looked for, and the one behind it taken for new again", async () => {
  const newGuess = new NewGuess();
  const wrong = taskOf({ newGuess, newly: { answer: "guessed_wrong", writtenAt: 0 } });
  expect(await writeRows(wrong.task)).toEqual({ kind: "guessed_wrong" });
  const next = taskOf({ newGuess });
  await writeRows(next.task);
  expect(next.asked).toEqual(["begin", "write"]);
  const behind = taskOf({ newGuess });
  await writeRows(behind.task);
  expect(behind.asked).toEqual(["beginWithNew"]);
});
