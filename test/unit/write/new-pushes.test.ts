import { expect, test } from "vitest";
import { keyText } from "../../../src/domain/keys.ts";
import type { PushedFacts } from "../../../src/ledger/change-claims.ts";
import type { ChangeOrigin, OriginVerdict } from "../../../src/write/change-origin.ts";
import { KnownRows } from "../../../src/write/known-rows.ts";
import { NewGuess } from "../../../src/write/new-guess.ts";
import type { WriteIntent } from "../../../src/write/plan.ts";
import { writeRows } from "../../../src/write/rows.ts";
import { NO_FACTS, type NotedTaskOptions, notedTask, putIntent } from "../../support/noted-rows.ts";

/** Goal: which pushed changes are taken for new, and what becomes of them. Method: a transaction that notes what it is asked. */

const NOW = 1_767_268_800_123;

function originOf(number: number, more: Partial<ChangeOrigin> = {}): ChangeOrigin {
  return {
    ...{ device: "d", key: `k${number}`, fingerprint: `f${number}`, expectsNew: true },
    judge: () => null,
    holderAfter: () => null,
    ...more,
  };
}

function intentOf(number: number, more: Partial<WriteIntent> = {}): WriteIntent {
  return putIntent(number, { modifiedAt: NOW, origin: originOf(number), ...more });
}

const SOME = [intentOf(1), intentOf(2)];

function taskOf(options: NotedTaskOptions = {}) {
  return notedTask({ intents: SOME, ...options });
}

test("changes of memories that their devices did not know are sent as new, with their claims and their own times", async () => {
  const { task, asked, claimed } = taskOf();
  const result = await writeRows(task);
  expect(asked).toEqual(["beginWithPushed"]);
  expect(result).toMatchObject({ kind: "written" });
  const decisions = "decisions" in result ? result.decisions : [];
  expect(decisions).toHaveLength(SOME.length);
  for (const decision of decisions) {
    expect(decision).toMatchObject({ action: "write", write: { version: 1, modifiedAt: NOW } });
  }
  expect(claimed()).toEqual(
    [1, 2].map((number) => ({
      ...{ namespace: "default", memoryId: `m${number}`, device: "d", key: `k${number}`, fingerprint: `f${number}` },
      ...{ version: 1, writes: true, holder: null },
    })),
  );
});

const known = new KnownRows();
known.note(keyText({ namespace: "default", memoryId: "m2" }), {
  ...{ version: 3, checksum: "c", versionVector: { n: 3 }, hasEmbedding: false, endedBy: null, txId: "t3" },
});

test.each<[string, NotedTaskOptions]>([
  ["one was made on a version", { intents: [...SOME, intentOf(3, { origin: originOf(3, { expectsNew: false }) })] }],
  ["one is known", { known }],
  ["one ends its memory", { intents: [...SOME, intentOf(3, { memory: null })] }],
  ["an attempt before was raced", { token: { ...taskOf().task.token, optimistic: false } }],
  ["an attempt before guessed wrong", { newGuess: undefined, pushGuess: undefined }],
  ["the connection sends no flights", { flies: false }],
])("the rows and claims are looked for first where %s", async (_, options) => {
  const { task, asked } = taskOf(options);
  expect(await writeRows(task)).toMatchObject({ kind: "written" });
  expect(asked).toEqual(["begin", "write"]);
});

test("a write of another caller in the same chunk has the ledger's time, so the rows are looked for first", async () => {
  const { origin: _none, ...plain } = intentOf(3, { modifiedAt: null });
  const { task, asked } = taskOf({ intents: [...SOME, plain] });
  expect(await writeRows(task)).toMatchObject({ kind: "written" });
  expect(asked).toEqual(["begin", "write"]);
});

test("after a wrong guess the next chunk is looked for, and the one behind it taken for new again", async () => {
  const pushGuess = new NewGuess();
  const wrong = taskOf({ pushGuess, pushed: "guessed_wrong" });
  expect(await writeRows(wrong.task)).toEqual({ kind: "guessed_wrong" });
  const next = taskOf({ pushGuess });
  await writeRows(next.task);
  expect(next.asked).toEqual(["begin", "write"]);
  const behind = taskOf({ pushGuess });
  await writeRows(behind.task);
  expect(behind.asked).toEqual(["beginWithPushed"]);
});

test.each<[string, OriginVerdict]>([
  ["refused", { action: "refused", error: new Error("settled") as never }],
  ["a conflict", { action: "conflict" }],
  ["a repeat", { action: "repeated", version: 1 }],
])("where the facts make one %s, all are looked for anew, and each gets its answer", async (_, verdict) => {
  const judged: PushedFacts[] = [];
  const judge = (facts: PushedFacts) => {
    judged.push(facts);
    return verdict;
  };
  const { task } = taskOf({ intents: [...SOME, intentOf(3, { origin: originOf(3, { judge }) })] });
  expect(await writeRows(task)).toEqual({ kind: "guessed_wrong" });
  expect(judged).toEqual([NO_FACTS]);
});

test("two changes under one key, in a chunk of several pushes, are not claimed together", async () => {
  const same = originOf(1);
  const { task } = taskOf({ intents: [intentOf(1, { origin: same }), intentOf(2, { origin: same })] });
  expect(await writeRows(task)).toEqual({ kind: "guessed_wrong" });
});
