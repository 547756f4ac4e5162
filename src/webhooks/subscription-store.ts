import { ConfigurationError } from "../domain/errors.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { filterText } from "../feed/feed-filter.ts";
import { insertCursor } from "../ledger/feed-cursor-statements.ts";
import * as statements from "../ledger/subscription-statements.ts";
import * as messages from "../ledger/webhook-message-statements.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { filterOf } from "./subscription.ts";
import { CHANGE_TOPIC } from "./topics.ts";

/** Subscriptions of a ledger, at most: each reads the feed. */
export const SUBSCRIPTIONS_MAX = 1_000;
/** Cursors of all kinds that a ledger keeps, at most. */
const CURSORS_MAX = 10_000;

/** The name of a subscription's cursor in the feed. Its lease says which process delivers. */
export function cursorName(subscriptionId: string): string {
  return `webhook/${subscriptionId}`;
}

/** Subscriptions and their messages in the ledger. Each call is one statement or one short transaction, with a deadline. */
export class SubscriptionStore {
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  /** @param options.callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    this.#postgres = postgres;
    this.#callTimeoutMs = options.callTimeoutMs;
  }

  /**
   * With its cursor.
   * @throws {ConfigurationError} The owner, or the ledger, has as many as it may have.
   */
  async create(
    subscription: Parameters<typeof statements.insertSubscription>[1],
    options: { from: "start" | "now"; ownMax: number },
    signal: AbortSignal,
  ): Promise<statements.SubscriptionRow> {
    const { from, ownMax } = options;
    return await this.#transaction(signal, async (sql) => {
      const { own, all } = await statements.countSubscriptions(sql, subscription.owner);
      if (own >= ownMax) {
        throw full(
          `${JSON.stringify(subscription.owner)} has ${own}`,
          `webhooks.subscriptionsPerOwnerMax is ${ownMax}`,
        );
      }
      if (all >= SUBSCRIPTIONS_MAX) throw full(`there are ${all}`, `${SUBSCRIPTIONS_MAX} is the limit`);
      const row = await statements.insertSubscription(sql, subscription);
      const cursor = {
        name: cursorName(row.id),
        start: from === "start" ? { xid: "0", seq: "0" } : null,
        filter: filterText(filterOf(row)),
        retentionMs: null,
        contents: null,
      };
      if (!(await insertCursor(sql, cursor, CURSORS_MAX))) throw full("there are", `${CURSORS_MAX} feed cursors`);
      return row;
    });
  }

  async read(
    id: string,
    visible: statements.Visibility,
    signal: AbortSignal,
  ): Promise<statements.SubscriptionRow | null> {
    return await this.#call(signal, (sql) => statements.readSubscription(sql, id, visible));
  }

  async list(
    visible: statements.Visibility,
    after: string,
    limit: number,
    signal: AbortSignal,
  ): Promise<statements.SubscriptionRow[]> {
    return await this.#call(signal, (sql) => statements.listSubscriptions(sql, visible, after, limit));
  }

  /** @param from moves the place in the feed, and binds it to the filter of the new fields. @returns null: unknown. */
  async change(
    id: string,
    change: statements.SubscriptionChange,
    signal: AbortSignal,
    from?: "start" | "now",
  ): Promise<statements.SubscriptionRow | null> {
    return await this.#transaction(signal, async (sql) => {
      const row = await statements.changeSubscription(sql, id, change);
      if (row !== null && from !== undefined) {
        await statements.replaceCursor(sql, cursorName(id), filterText(filterOf(row)), from);
      }
      return row;
    });
  }

  async delete(id: string, signal: AbortSignal): Promise<boolean> {
    return await this.#transaction(signal, async (sql) => {
      // In the order of `change`, the subscription first: the other way round one of the two may be ended as a deadlock.
      const isThere = await statements.deleteSubscription(sql, id);
      await statements.deleteCursor(sql, cursorName(id));
      return isThere;
    });
  }

  /** See `listDueSubscriptions`. */
  async due(
    holder: string,
    aheadMaxMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly owner: string }[]> {
    const query = { topic: CHANGE_TOPIC, holder, aheadMaxMs, limit: SUBSCRIPTIONS_MAX };
    return await this.#call(signal, (sql) => statements.listDueSubscriptions(sql, query));
  }

  async messages(
    id: string,
    state: "pending" | "dead",
    page: { after?: number; limit: number },
    signal: AbortSignal,
  ): Promise<messages.MessageRow[]> {
    return await this.#call(signal, (sql) => messages.listMessages(sql, id, state, page));
  }

  async enqueue(
    event: { id: string; topic: string; payload: string },
    pendingMax: number,
    signal: AbortSignal,
  ): Promise<number> {
    return await this.#call(signal, (sql) => messages.enqueueEvent(sql, event, pendingMax));
  }

  async buryChange(id: string, message: Parameters<typeof messages.buryChange>[2], signal: AbortSignal): Promise<void> {
    await this.#call(signal, (sql) => messages.buryChange(sql, id, message));
  }

  async buryMessage(
    id: string,
    message: Parameters<typeof messages.buryMessage>[2],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#call(signal, (sql) => messages.buryMessage(sql, id, message));
  }

  async deleteMessages(id: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#call(signal, (sql) => messages.deleteMessages(sql, id, ids));
  }

  async revive(id: string, ids: readonly string[] | null, signal: AbortSignal): Promise<number> {
    return await this.#call(signal, (sql) => messages.reviveMessages(sql, id, ids));
  }

  async dropDead(id: string, ids: readonly string[] | null, signal: AbortSignal): Promise<number> {
    return await this.#call(signal, (sql) => messages.dropDeadMessages(sql, id, ids));
  }

  async #transaction<T>(signal: AbortSignal, work: (sql: Sql) => Promise<T>): Promise<T> {
    return await this.#call(signal, async (sql) => {
      await sql`begin`;
      const result = await work(sql);
      await sql`commit`;
      return result;
    });
  }

  async #call<T>(signal: AbortSignal, work: (sql: Sql) => Promise<T>): Promise<T> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, ({ sql }) => work(sql)),
    );
  }
}

function full(found: string, limit: string): ConfigurationError {
  return new ConfigurationError(`${found} webhook subscriptions, and ${limit}: delete one that nothing needs`);
}
