import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import type { WriteOptions } from "../../index.ts";
import type { Caller } from "../caller.ts";

/** Conditions of a write, which HTTP takes as headers. */
export const writeFields = lazily(() => ({
  expectedVersion: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe("The version that the memory must be at, otherwise nothing is written; 0: there must be no such memory"),
  ...keyField(),
}));

export const keyField = lazily(() => ({
  idempotencyKey: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("Names this write: a repeat under it answers the first outcome and writes nothing"),
}));

/** The options of a write that its arguments set. */
export function writeOptions(
  args: { readonly expectedVersion?: number | undefined; readonly idempotencyKey?: string | undefined },
  { owner }: Caller,
): WriteOptions {
  const { expectedVersion, idempotencyKey } = args;
  return { expectedVersion, ...(idempotencyKey !== undefined && { idempotencyKey, caller: owner }) };
}
