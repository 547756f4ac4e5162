import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import { FEED_READINGS } from "../feed/feed-filter.ts";
import type { DeadLetter } from "../webhooks/message.ts";
import type { Subscription } from "../webhooks/subscription.ts";
import { count, instant, json } from "./fields.ts";

/** Webhook subscriptions, as HTTP and `--json` show them. */

const fields = lazily(() => ({
  id: z.string().describe("ULID"),
  owner: z.string().describe("The caller whose quota it counts to"),
  url: z.string(),
  topics: z.array(z.string()),
  namespaces: z.array(z.string()).nullable().describe("Null: all"),
  where: json().nullable().describe("The filter of memories; null: all"),
  reading: z.enum(FEED_READINGS).describe("versions: each version of a memory is sent, in order"),
  embeddings: z.boolean(),
  description: z.string(),
  state: z.enum(["active", "retrying", "paused"]).describe("retrying: the next attempt is at nextAttemptAt"),
  pausedReason: z
    .enum(["asked", "receiver_failing", "receiver_gone", "dead_letters_full", "epoch_changed", "key_lost"])
    .nullable(),
  failures: count().describe("Attempts in a row that failed"),
  nextAttemptAt: instant().nullable(),
  lastError: z.string().nullable(),
  lastFailureAt: instant().nullable(),
  lastSuccessAt: instant().nullable(),
  delivered: count().describe("Messages that the receiver accepted"),
  pending: count().describe("Events that wait; changes stay in the ledger and are not counted"),
  dead: count().describe("Dead letters"),
  eventsLost: count().describe("Events that were not kept because 1,000 were waiting"),
  previousSecretUntil: instant().nullable().describe("Until when the secret before the present one signs too"),
  createdAt: instant(),
  updatedAt: instant(),
}));

export const subscriptionSchema = lazily(() => z.strictObject(fields()).meta({ id: "Subscription" }));

export const subscriptionWithSecretSchema = lazily(() =>
  z
    .strictObject({ ...fields(), secret: z.string().describe("Shown this once") })
    .meta({ id: "SubscriptionWithSecret" }),
);

export const subscriptionsSchema = lazily(() =>
  z
    .strictObject({
      subscriptions: z.array(subscriptionSchema()).describe("In the order of their creation"),
      after: z.string().nullable().describe("Where the next page begins; null: there is none"),
    })
    .meta({ id: "Subscriptions" }),
);

export const testDeliverySchema = lazily(() =>
  z
    .strictObject({
      accepted: z.boolean(),
      status: z.number().int().nullable().describe("Null: there was no answer"),
      error: z.string().nullable(),
      milliseconds: count(),
    })
    .meta({ id: "TestDelivery" }),
);

export const deadLettersSchema = lazily(() =>
  z
    .strictObject({
      deadLetters: z.array(
        z.strictObject({
          id: z.string().describe("Its webhook-id"),
          type: z.string(),
          memory: z
            .strictObject({ namespace: z.string(), memoryId: z.string(), version: z.number().int().positive() })
            .nullable()
            .describe("Null where it is no change of a memory"),
          attempts: count(),
          lastError: z.string().nullable(),
          createdAt: instant(),
        }),
      ),
    })
    .meta({ id: "DeadLetters", description: "Messages that were given up, the oldest first" }),
);

export const replayedSchema = lazily(() => z.strictObject({ replayed: count() }).meta({ id: "Replayed" }));
export const droppedSchema = lazily(() => z.strictObject({ dropped: count() }).meta({ id: "Dropped" }));
export const deletedSubscriptionSchema = lazily(() =>
  z.strictObject({ deleted: z.string() }).meta({ id: "DeletedSubscription" }),
);

export function subscriptionDocument<Shown extends Subscription>(subscription: Shown): Shown {
  return subscription;
}

/** @param limit of the page: a full one may have a next one. */
export function subscriptionsDocument(
  subscriptions: readonly Subscription[],
  limit: number,
): { subscriptions: readonly Subscription[]; after: string | null } {
  return { subscriptions, after: subscriptions.length === limit ? (subscriptions.at(-1)?.id ?? null) : null };
}

export function deadLettersDocument(deadLetters: readonly DeadLetter[]): { deadLetters: readonly DeadLetter[] } {
  return { deadLetters };
}
