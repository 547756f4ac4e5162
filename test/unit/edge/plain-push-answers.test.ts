import { expect, test } from "vitest";
import { plainAnswers } from "../../../src/edge/transport/plain-push-answers.ts";
import { pushAnswersSchema } from "../../../src/hub/protocol/push.ts";

const head = { epoch: "epoch-1", receivedAt: 1_700_000_000_000 };
const applied = { status: "applied", version: 1 };

test("answers that are all applied are known without the schema, and it has nothing against them", () => {
  const answers = { ...head, answers: [applied, { status: "duplicate", version: 0 }] };
  expect(plainAnswers(answers)).toBe(answers);
  expect(pushAnswersSchema().parse(answers)).toEqual(answers);
});

test.each([
  ["no object", null],
  ["a conflict", { ...head, answers: [{ status: "conflict", current: null }] }],
  ["a version that is none", { ...head, answers: [{ ...applied, version: -1 }] }],
  ["a version that is no number", { ...head, answers: [{ ...applied, version: "1" }] }],
  ["a field too many", { ...head, answers: [{ ...applied, more: true }] }],
  ["an epoch that is none", { ...head, epoch: "a b", answers: [] }],
  ["no time", { ...head, receivedAt: null, answers: [] }],
  ["no list", { ...head, answers: {} }],
  ["another field beside them", { ...head, answers: [], more: true }],
])("%s is left to the schema", (_name, value) => {
  expect(plainAnswers(value)).toBeNull();
});
