import * as z from "zod";
import { ValidationError } from "../domain/errors.ts";
import type { Filter } from "../domain/filter/filter.ts";
import { textFlaw } from "../domain/json.ts";
import { lazily } from "../domain/lazily.ts";
import { defined } from "../domain/settings.ts";
import { FEED_READINGS, type FeedFilter, type FeedReading, parseFilter } from "../feed/feed-filter.ts";
import type { SubscriptionFields, SubscriptionRow } from "../ledger/subscription-statements.ts";
import { CHANGE_TOPIC, TOPICS } from "./topics.ts";

/** Why a subscription is paused. */
export type PausedReason =
  /** A caller paused it. */
  | "asked"
  /** The receiver failed `webhooks.attemptsMax` times in a row. */
  | "receiver_failing"
  /** The receiver answered 410 Gone. */
  | "receiver_gone"
  /** There are 1,000 dead letters: replay or drop them. */
  | "dead_letters_full"
  /** The database went back to another history: `resume` with `from`. */
  | "epoch_changed"
  /** The key that owns it was revoked, has expired, or has other namespaces than before. */
  | "key_lost";

/** What a caller sets. */
export interface SubscriptionInput {
  /** Where messages are sent by POST: https, without a user name; at most 2,048 characters. */
  url: string;
  /** `change`: memories. `drift`, `conflict`, `repair`, `health`, `backlog`, `run.failed`, `run.partial`, `connector.stalled`: the service. @default ["change"] */
  topics?: readonly string[] | undefined;
  /** Of `change`: 1 … 100 namespaces. @default all */
  namespaces?: readonly string[] | undefined;
  /** Of `change`: the memories that pass. @default all */
  where?: Filter | undefined;
  /**
   * Of `change`. `changes`: of a memory that changes often some versions are sent, the last one always. `versions`: each version, in
   * order per memory; those that were pruned (`historyVersionsMax`) while the receiver was behind are missing. @default "changes"
   */
  reading?: FeedReading | undefined;
  /** Of `change`: with embeddings. @default false */
  embeddings?: boolean | undefined;
  /** At most 500 characters. @default "" */
  description?: string | undefined;
}

/** A webhook subscription. Times are ISO-8601, by the server's clock. Its secret is shown when it is made, and never again. */
export interface Subscription {
  readonly id: string;
  /** The caller whose quota it counts to. */
  readonly owner: string;
  readonly url: string;
  readonly topics: readonly string[];
  /** Null: all. */
  readonly namespaces: readonly string[] | null;
  readonly where: Filter | null;
  readonly reading: FeedReading;
  readonly embeddings: boolean;
  readonly description: string;
  /** `retrying`: the last attempt failed, and the next one is at `nextAttemptAt`. */
  readonly state: "active" | "retrying" | "paused";
  readonly pausedReason: PausedReason | null;
  /** Attempts in a row that failed. */
  readonly failures: number;
  readonly nextAttemptAt: string | null;
  readonly lastError: string | null;
  readonly lastFailureAt: string | null;
  readonly lastSuccessAt: string | null;
  /** Messages that the receiver accepted. */
  readonly delivered: number;
  /** Events that wait. Changes are not counted: they stay in the ledger. */
  readonly pending: number;
  /** Dead letters. */
  readonly dead: number;
  /** Events that were not kept because 1,000 were waiting. */
  readonly eventsLost: number;
  /** Until when the secret before the present one signs too; null: it does not. */
  readonly previousSecretUntil: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

const URL_LENGTH_MAX = 2_048;
const DESCRIPTION_LENGTH_MAX = 500;

const inputSchema = lazily(() =>
  z.strictObject({
    url: z.string("expected an https address"),
    topics: z
      .array(z.enum(TOPICS as [string, ...string[]], `expected one of ${TOPICS.join(", ")}`))
      .min(1, "is empty: leave it out for memories that change")
      .max(TOPICS.length)
      .readonly()
      .default([CHANGE_TOPIC]),
    namespaces: z.array(z.string()).readonly().optional(),
    where: z.custom<Filter>().optional(),
    reading: z.enum(FEED_READINGS, 'expected "changes" or "versions"').default("changes"),
    embeddings: z.boolean("expected true or false").default(false),
    description: z
      .string()
      .max(DESCRIPTION_LENGTH_MAX)
      .refine((text) => textFlaw(text) === null, "has a NUL or half a character")
      .default(""),
  }),
);

/** @throws {ValidationError} naming the field. */
export function parseSubscription(input: unknown, { allowHttp }: { allowHttp: boolean }): SubscriptionFields {
  const given = typeof input === "object" && input !== null && !Array.isArray(input) ? defined(input) : input;
  const result = inputSchema().safeParse(given);
  if (!result.success) {
    const issue = result.error.issues[0];
    if (issue?.code === "unrecognized_keys") {
      const known = Object.keys(inputSchema().shape).join(", ");
      throw new ValidationError(issue.keys[0] ?? "", `unknown field; expected ${known}`);
    }
    throw new ValidationError(issue?.path.map(String).join(".") ?? "", issue?.message ?? "is malformed");
  }
  const { url, topics, namespaces, where, reading, embeddings, description } = result.data;
  const isForChanges = topics.includes(CHANGE_TOPIC);
  const isNarrowed = namespaces !== undefined || where !== undefined || reading !== "changes" || embeddings;
  if (!isForChanges && isNarrowed) {
    throw new ValidationError(
      "topics",
      `has no ${CHANGE_TOPIC}, the only topic that namespaces, where, reading and embeddings are for`,
    );
  }
  const filter = parseFilter({ namespaces, where });
  return {
    url: checkedUrl(url, allowHttp),
    description,
    topics: [...new Set(topics)].sort(),
    namespaces: filter.namespaces,
    where: filter.where?.text ?? null,
    reading,
    embeddings,
  };
}

/** As a reader outside of the deployment: `local_only` memories never leave by a webhook. */
export function filterOf({
  namespaces,
  where,
  reading,
}: Pick<SubscriptionFields, "namespaces" | "where" | "reading">): FeedFilter {
  return parseFilter({ namespaces, reading, ...(where !== null && { where: JSON.parse(where) as Filter }) });
}

export function subscriptionOf(row: SubscriptionRow): Subscription {
  const {
    secret: _,
    previousSecret: __,
    head: ___,
    where,
    state,
    pausedReason,
    failures,
    nextAttemptAt,
    ...rest
  } = row;
  return {
    ...rest,
    where: where === null ? null : (JSON.parse(where) as Filter),
    state: state === "active" && failures > 0 ? "retrying" : state,
    pausedReason: pausedReason as PausedReason | null,
    failures,
    nextAttemptAt: state === "active" ? isoOrNull(nextAttemptAt) : null,
    lastFailureAt: isoOrNull(row.lastFailureAt),
    lastSuccessAt: isoOrNull(row.lastSuccessAt),
    previousSecretUntil: isoOrNull(row.previousSecretUntil),
    createdAt: iso(row.createdAt),
    updatedAt: iso(row.updatedAt),
  };
}

function checkedUrl(text: string, allowHttp: boolean): string {
  const malformed = (why: string): ValidationError => new ValidationError("url", why);
  if (text.length > URL_LENGTH_MAX) throw malformed(`has more than ${URL_LENGTH_MAX} characters`);
  if (!URL.canParse(text)) throw malformed("is no address: expected e.g. https://receiver.example/hooks");
  const url = new URL(text);
  if (url.protocol !== "https:" && !(allowHttp && url.protocol === "http:")) {
    throw malformed(`begins with ${url.protocol}, and must begin with https:`);
  }
  if (url.username !== "" || url.password !== "") {
    throw malformed("has a user name: messages are signed, so that a receiver needs none");
  }
  if (url.hash !== "") throw malformed("has a part behind #, which is never sent");
  return url.href;
}

function iso(milliseconds: number): string {
  return new Date(Math.floor(milliseconds)).toISOString();
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : iso(milliseconds);
}
