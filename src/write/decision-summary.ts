import * as z from "zod";
import { InternalError } from "../domain/errors.ts";
import { lazily } from "../domain/lazily.ts";
import type { KeyClaim, TakenKey } from "../ledger/idempotency-statements.ts";
import type { Decision, WriteIntent } from "./plan.ts";

/** The part of a decision that the ledger keeps under an idempotency key, for the answer to a repeat. */
const summarySchema = lazily(() =>
  z.object({
    action: z.enum(["write", "unchanged", "conflict", "erased"]),
    version: z.int().nonnegative(),
    checksum: z.string().nullable(),
    vectors: z.boolean(),
  }),
);

export type DecisionSummary = z.output<ReturnType<typeof summarySchema>>;

export function summarize(decision: Decision): DecisionSummary {
  if (decision.action === "write") {
    const { write, vectors } = decision;
    return { action: "write", version: write.version, checksum: write.checksum, vectors };
  }
  // Pushed changes have claims of their own, and never share a transaction with an idempotency key.
  if (decision.action === "repeated" || decision.action === "refused") {
    throw new InternalError("a change of a device was written under an idempotency key");
  }
  const vectors = decision.action === "unchanged" && decision.vectors;
  return { action: decision.action, version: decision.version, checksum: decision.checksum, vectors };
}

/** The parsed first answer under an idempotency key. */
export interface KeptAnswer {
  readonly transactionId: string;
  /** One per memory of the write, in order. */
  readonly summaries: readonly DecisionSummary[];
}

/**
 * The answer of the first call under a key, when this request repeats it; null when the key belongs to another request.
 * @throws {InternalError} The ledger holds something else than an answer.
 */
export function repeatedAnswer(taken: TakenKey, claim: KeyClaim, intents: readonly WriteIntent[]): KeptAnswer | null {
  const { transactionId, fingerprint } = taken;
  if (fingerprint !== null && fingerprint !== claim.fingerprint) return null;
  const summaries = taken.answer.map(parseSummary);
  if (summaries.length !== intents.length) return null;
  // A key from before migration 13 is bound to no request: the answer itself must fit this one, or it could tell a caller
  // of a memory of another namespace.
  if (fingerprint === null && !summaries.every((summary, index) => fits(summary, intents[index]!))) return null;
  return { transactionId, summaries };
}

function fits({ action, checksum }: DecisionSummary, { memory }: WriteIntent): boolean {
  return action !== "conflict" && checksum === (memory?.checksum ?? null);
}

/** A program before migration 9 called `vectors` `faiss`. */
function parseSummary(kept: unknown): DecisionSummary {
  const { faiss, ...rest } = Object(kept) as { faiss?: unknown };
  const parsed = summarySchema().safeParse({ vectors: faiss, ...rest });
  if (parsed.success) return parsed.data;
  throw new InternalError(`the answer kept under the idempotency key is malformed: ${JSON.stringify(kept)}`);
}
