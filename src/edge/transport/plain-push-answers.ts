import { isObject } from "../../domain/json.ts";
import { epochSchema } from "../../hub/protocol/change-key.ts";
import type { PushAnswers } from "../../hub/protocol/push.ts";

/**
 * The answers to a push whose changes were all applied, as nearly all are. Null: they may be any others, or malformed, and the schema
 * says what they are.
 */
export function plainAnswers(value: unknown): PushAnswers | null {
  if (!isObject(value) || Object.keys(value).length !== 3) return null;
  const { epoch, receivedAt, answers } = value;
  const isHead = Number.isFinite(receivedAt) && Array.isArray(answers) && epochSchema().safeParse(epoch).success;
  return isHead && answers.every(isApplied) ? (value as unknown as PushAnswers) : null;
}

function isApplied(answer: unknown): boolean {
  if (!isObject(answer) || Object.keys(answer).length !== 2) return false;
  const { status, version } = answer;
  return (status === "applied" || status === "duplicate") && Number.isSafeInteger(version) && (version as number) >= 0;
}
