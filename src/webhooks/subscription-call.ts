import { NotFoundError, ValidationError } from "../domain/errors.ts";
import type { Visibility } from "../ledger/subscription-statements.ts";
import { CHANGE_TOPIC } from "./topics.ts";

/** Options of every call on subscriptions, and the checks that several calls share. */

export interface SubscriptionCall {
  /** Milliseconds for this call. @default callTimeoutMs */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * For a caller that is bound to namespaces: it knows subscriptions to `change` for these namespaces alone, and any other one
   * is `NOT_FOUND`. @default all subscriptions
   */
  readonly among?: readonly string[] | undefined;
  /** For a caller that is no operator: it knows subscriptions to `change` alone. @default false, unless `among` is given */
  readonly onlyChanges?: boolean | undefined;
}

/** Messages that one call names, at most. */
const IDS_MAX = 1_000;
const FROM = ["start", "now"] as const;
export type From = (typeof FROM)[number];

export function visibilityOf({ among, onlyChanges = among !== undefined }: SubscriptionCall): Visibility {
  return { among: among ?? null, topic: onlyChanges ? CHANGE_TOPIC : null };
}

export function unknownSubscription(id: string): NotFoundError {
  return new NotFoundError(`there is no webhook subscription ${JSON.stringify(id)}`);
}

export function checkFrom(from: string): void {
  if (!FROM.some((known) => known === from)) throw new ValidationError("from", 'expected "start" or "now"');
}

export function checkedIds(ids: readonly string[] | undefined): readonly string[] | null {
  if (ids === undefined) return null;
  if (Array.isArray(ids) && ids.length <= IDS_MAX && ids.every((id) => typeof id === "string")) return ids;
  throw new ValidationError("ids", `expected up to ${IDS_MAX} ids of messages`);
}
