import * as z from "zod";
import { milliseconds, SECRET, wholeNumber } from "../domain/settings.ts";
import { parseRange } from "./address-guard.ts";

const secretKey = z
  .string()
  .refine((text) => /^[A-Za-z0-9+/]{43}=$/.test(text), "expected 32 bytes in base64: openssl rand -base64 32")
  .optional()
  .meta(SECRET);

/** Webhooks, under `webhooks`. */
export const webhookSettings = z.strictObject({
  secretKey: secretKey.describe(
    "Encrypts the secrets of subscriptions in the ledger: 32 bytes in base64, the same on every node. Without it there are no webhooks",
  ),
  previousSecretKey: secretKey.describe("The secretKey before this one: what it encrypted can still be read"),
  allowedAddresses: z
    .array(z.string().refine((text) => parseRange(text) !== null, "expected an address or a range, e.g. 10.1.0.0/16"))
    .max(100)
    .default([])
    .describe(
      "Private addresses and ranges that receivers may have, separated by commas; by default only public addresses are called",
    ),
  allowHttp: z.boolean().default(false).describe("Whether receivers may have http addresses: bodies go in the clear"),
  timeoutMs: milliseconds(100, 60_000)
    .default(15_000)
    .describe("Milliseconds that a receiver has for its answer, the connection included"),
  attemptsMax: wholeNumber(1, 100)
    .default(24)
    .describe("Attempts in a row at a receiver that fails, before its subscription is paused"),
  retryMaxMs: milliseconds(10)
    .default(3_600_000)
    .describe("Milliseconds between two attempts, at most; they begin at 1 s and double"),
  concurrencyMax: wholeNumber(1, 64).default(8).describe("Subscriptions that a node delivers at a time, at most"),
  subscriptionsPerOwnerMax: wholeNumber(1, 1_000).default(20).describe("Subscriptions of one owner, at most"),
});

/** The settings of webhooks, with their defaults filled in. */
export type WebhookSettings = z.output<typeof webhookSettings>;
