import * as z from "zod";
import { milliseconds } from "../../domain/settings.ts";
import { REDIS_DEFAULTS, type RedisProjectionOptions } from "./options.ts";

/** The settings of the Redis projection, at the top level of a configuration. The connection has settings of its own. */
export const redisSettings = z.strictObject({
  redisPrefix: z
    .string()
    .regex(/^[^:\s]{1,64}$/, "expected 1 to 64 characters without colon or white space")
    .default(REDIS_DEFAULTS.prefix)
    .describe("Prefix of every Redis key"),
  redisStoreEmbedding: z
    .boolean()
    .default(REDIS_DEFAULTS.storeEmbedding)
    .describe("Whether Redis holds the vectors too; without them, memories with a vector are read from Postgres"),
  redisTombstoneTtlMs: z
    .number()
    .int()
    .min(1_000)
    .max(86_400_000)
    .default(REDIS_DEFAULTS.tombstoneTtlMs)
    .describe("Milliseconds that Redis keeps the tombstone of a deleted memory"),
  redisCallTimeoutMs: milliseconds(100)
    .default(REDIS_DEFAULTS.callTimeoutMs)
    .describe("Milliseconds that one call of Redis may take, even when its caller has a longer deadline"),
});

/** The parsed settings, with defaults applied. */
export type RedisSettings = z.output<typeof redisSettings>;

/** The projection's share of a configuration. */
export function redisProjectionOptions(
  settings: RedisSettings,
): Required<Pick<RedisProjectionOptions, "prefix" | "storeEmbedding" | "tombstoneTtlMs" | "callTimeoutMs">> {
  return {
    prefix: settings.redisPrefix,
    storeEmbedding: settings.redisStoreEmbedding,
    tombstoneTtlMs: settings.redisTombstoneTtlMs,
    callTimeoutMs: settings.redisCallTimeoutMs,
  };
}
