import { z } from "zod";
import { milliseconds, wholeNumber } from "../domain/settings.ts";

/** The ledger and the calls to it. */
export const ledgerSettings = z.strictObject({
  nodeId: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    .optional()
    .describe(
      "Name of this node in version vectors and queues; derived from the host name and the index folder by default",
    ),
  callTimeoutMs: milliseconds(100).default(60_000).describe("Milliseconds that a call may take, waiting included"),
  historyVersionsMax: wholeNumber(0, 10_000).default(10).describe("Replaced versions kept per memory"),
  transactionRetentionMs: wholeNumber(60_000)
    .default(604_800_000)
    .describe("Milliseconds that an ended transaction is remembered"),
  idempotencyKeyRetentionMs: wholeNumber(60_000)
    .default(604_800_000)
    .describe("Milliseconds, at least, that an idempotency key and the answer to its request are remembered"),
});

/** The defaults, for parts that are made without a configuration. */
export const LEDGER_DEFAULTS = ledgerSettings.parse({});
