import { z } from "zod";
import { InternalError, ValidationError } from "../domain/errors.ts";
import type { FirstAnswer } from "../ledger/transaction-statements.ts";
import type { Decision } from "./plan.ts";

/** The part of a decision that the ledger keeps under an idempotency key: the answer to a repeat is made of it. */
const summarySchema = z.object({
  action: z.enum(["write", "unchanged", "conflict"]),
  version: z.int().nonnegative(),
  checksum: z.string().nullable(),
  vectors: z.boolean(),
});

export type DecisionSummary = z.output<typeof summarySchema>;

export function summarize(decision: Decision): DecisionSummary {
  if (decision.action === "write") {
    const { write, vectors } = decision;
    return { action: "write", version: write.version, checksum: write.checksum, vectors };
  }
  const vectors = decision.action === "unchanged" && decision.vectors;
  return { action: decision.action, version: decision.version, checksum: decision.checksum, vectors };
}

/** The first answer under an idempotency key, understood. */
export interface KeptAnswer extends Pick<FirstAnswer, "transactionId" | "pending"> {
  /** One per memory of the write, in order. */
  readonly summaries: readonly DecisionSummary[];
}

/**
 * @param memories how many the repeat has.
 * @throws {ValidationError} Its first call had another number. @throws {InternalError} The ledger holds something else.
 */
export function parseAnswer({ outcomes, ...rest }: FirstAnswer, memories: number): KeptAnswer {
  const summaries = outcomes.map(parseSummary);
  if (summaries.length === memories) return { ...rest, summaries };
  throw new ValidationError(
    "idempotencyKey",
    `was used for ${summaries.length} memories before, and now for ${memories}: use a new key for a new write`,
  );
}

/** A program before migration 9 called `vectors` `faiss`. */
function parseSummary(kept: unknown): DecisionSummary {
  const { faiss, ...rest } = Object(kept) as { faiss?: unknown };
  const parsed = summarySchema.safeParse({ vectors: faiss, ...rest });
  if (parsed.success) return parsed.data;
  throw new InternalError(`the answer kept under the idempotency key is malformed: ${JSON.stringify(kept)}`);
}
