import { assertWhole } from "../domain/assert-whole.ts";
import { ConfigurationError, ValidationError } from "../domain/errors.ts";
import { filterText } from "../feed/feed-filter.ts";
import type { SubscriptionChange, SubscriptionRow } from "../ledger/subscription-statements.ts";
import { newUlid } from "../runtime/ulid.ts";
import { type DeadLetter, deadLetterOf, newMessageId, serviceBody } from "./message.ts";
import type { SecretBox } from "./secret-box.ts";
import type { Sender } from "./sender.ts";
import type { WebhookSettings } from "./settings.ts";
import { checkSecret, newSecret } from "./signature.ts";
import {
  filterOf,
  parseSubscription,
  type Subscription,
  type SubscriptionInput,
  subscriptionOf,
} from "./subscription.ts";
import {
  checkedIds,
  checkFrom,
  type From,
  type SubscriptionCall,
  unknownSubscription,
  visibilityOf,
} from "./subscription-call.ts";
import type { SubscriptionStore } from "./subscription-store.ts";

/** A subscription with its secret, which is shown this once. */
export type SubscriptionWithSecret = Subscription & { readonly secret: string };

/** What a test call came to. */
export interface TestDelivery {
  readonly accepted: boolean;
  /** Null: there was no answer. */
  readonly status: number | null;
  /** Null where the message was accepted. */
  readonly error: string | null;
  readonly milliseconds: number;
}

export interface SubscriptionsParts {
  readonly store: SubscriptionStore;
  readonly box: SecretBox;
  readonly sender: Sender;
  readonly settings: WebhookSettings;
  /** Runs a call within its deadline. */
  readonly run: <T>(name: string, call: SubscriptionCall, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Has this node look for work at once. */
  readonly wake: () => void;
}

const LIST_MAX = 100;
const DEAD_LIST_MAX = 1_000;
const OVERLAP_DEFAULT_MS = 86_400_000;
const OVERLAP_MAX_MS = 30 * 86_400_000;

/** Webhooks: who is told of what. Deliveries are background work: `start()` begins it. docs/webhooks.md has the rules. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;

  /** @internal Callers get the one of their synchronizer. */
  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  /**
   * Makes a subscription.
   * @param options.owner whose quota it counts to. @default "library"
   * @param options.secret `whsec_` and 24 to 64 bytes in base64. @default a new one
   * @param options.from of changes: `now`, or `start` for everything that there is first. @default "now"
   * @throws {ValidationError} {ConfigurationError} There is no webhooks.secretKey, or the owner has as many as it may have.
   */
  async create(
    input: SubscriptionInput,
    options: SubscriptionCall & {
      owner?: string | undefined;
      secret?: string | undefined;
      from?: From | undefined;
    } = {},
  ): Promise<SubscriptionWithSecret> {
    const { store, box, settings } = this.#parts;
    const { owner = "library", secret = newSecret(), from = "now" } = options;
    return await this.#run("create", options, async (signal) => {
      this.#assertSetUp();
      checkSecret(secret);
      checkFrom(from);
      const fields = parseSubscription(input, settings);
      const id = newUlid();
      const made = { id, owner, secret: box.seal(secret, id), ...fields };
      const row = await store.create(made, { from, ownMax: settings.subscriptionsPerOwnerMax }, signal);
      return { ...subscriptionOf(row), secret };
    });
  }

  /** In the order of their creation. @param options.limit 1 … 100 @param options.after an id: those behind it. */
  async list(
    options: SubscriptionCall & { limit?: number | undefined; after?: string | undefined } = {},
  ): Promise<Subscription[]> {
    const { limit = LIST_MAX, after = "" } = options;
    const visible = visibilityOf(options);
    assertWhole("limit", limit, 1, LIST_MAX);
    const rows = await this.#run("list", options, (signal) => this.#parts.store.list(visible, after, limit, signal));
    return rows.map(subscriptionOf);
  }

  /** @throws {NotFoundError} */
  async get(id: string, options: SubscriptionCall = {}): Promise<Subscription> {
    return subscriptionOf(await this.#run("get", options, (signal) => this.#read(id, options, signal)));
  }

  /**
   * Replaces what a caller sets; the secret, the state and the place in the feed stay.
   * @param options.from must be given where `namespaces`, `where` or `reading` differ: a place in the feed is of no use for another
   * filter.
   * @throws {NotFoundError} {ValidationError}
   */
  async replace(
    id: string,
    input: SubscriptionInput,
    options: SubscriptionCall & { from?: From | undefined } = {},
  ): Promise<Subscription> {
    const { from } = options;
    return await this.#run("replace", options, async (signal) => {
      if (from !== undefined) checkFrom(from);
      const fields = parseSubscription(input, this.#parts.settings);
      const row = await this.#read(id, options, signal);
      if (filterText(filterOf(fields)) !== filterText(filterOf(row)) && from === undefined) {
        throw new ValidationError(
          "from",
          'is missing: with other namespaces, another filter or reading the subscription begins anew, at "start" or "now"',
        );
      }
      return subscriptionOf(await this.#change(id, { fields }, signal, from));
    });
  }

  /** With what waits for it. A call that is under way may still arrive. @throws {NotFoundError} */
  async delete(id: string, options: SubscriptionCall = {}): Promise<void> {
    await this.#run("delete", options, async (signal) => {
      await this.#read(id, options, signal);
      await this.#parts.store.delete(id, signal);
    });
  }

  /**
   * Nothing is sent until `resume`: changes stay in the ledger, 1,000 events are kept.
   * @param options.reason what readers are shown. @default "asked" @throws {NotFoundError}
   */
  async pause(
    id: string,
    options: SubscriptionCall & { reason?: "asked" | "key_lost" | undefined } = {},
  ): Promise<Subscription> {
    const { reason: pausedReason = "asked" } = options;
    return await this.#run("pause", options, async (signal) => {
      await this.#read(id, options, signal);
      return subscriptionOf(await this.#change(id, { state: "paused", pausedReason }, signal));
    });
  }

  /**
   * Goes on with what waits, at once.
   * @param options.from another place in the feed than the one that is kept: needed after `epoch_changed`.
   * @throws {NotFoundError} {ValidationError}
   */
  async resume(id: string, options: SubscriptionCall & { from?: From | undefined } = {}): Promise<Subscription> {
    const { from } = options;
    return await this.#run("resume", options, async (signal) => {
      if (from !== undefined) checkFrom(from);
      const { pausedReason } = await this.#read(id, options, signal);
      if (pausedReason === "epoch_changed" && from === undefined) {
        const why = "the database went back to another history, which the receiver has to be told";
        throw new ValidationError("from", `is missing: ${why}, from "start" or from "now" on`);
      }
      const active = { state: "active", pausedReason: null, head: null, failures: 0, nextAttemptMs: null } as const;
      const row = await this.#change(id, active, signal, from);
      this.#parts.wake();
      return subscriptionOf(row);
    });
  }

  /**
   * Gives the subscription a new secret. Messages carry a signature by the old one too, for `overlapMs`, so that the receiver can
   * change it without losing one.
   * @param options.overlapMs 0 … 30 days. @default one day
   * @throws {NotFoundError} {ValidationError} {ConfigurationError}
   */
  async rotateSecret(
    id: string,
    options: SubscriptionCall & { secret?: string | undefined; overlapMs?: number | undefined } = {},
  ): Promise<SubscriptionWithSecret> {
    const { box } = this.#parts;
    const { secret = newSecret(), overlapMs = OVERLAP_DEFAULT_MS } = options;
    return await this.#run("rotateSecret", options, async (signal) => {
      this.#assertSetUp();
      checkSecret(secret);
      assertWhole("overlapMs", overlapMs, 0, OVERLAP_MAX_MS);
      const row = await this.#read(id, options, signal);
      const change = {
        secret: box.seal(secret, id),
        previousSecret: box.seal(box.open(row.secret, id), id), // Under the key of now, which it may outlive otherwise.
        previousSecretMs: overlapMs,
      };
      return { ...subscriptionOf(await this.#change(id, change, signal)), secret };
    });
  }

  /** Sends `webhook.test`, once and now, also while the subscription is paused. @throws {NotFoundError} {ConfigurationError} */
  async test(id: string, options: SubscriptionCall = {}): Promise<TestDelivery> {
    const { sender, box } = this.#parts;
    return await this.#run("test", options, async (signal) => {
      this.#assertSetUp();
      const row = await this.#read(id, options, signal);
      const body = serviceBody("webhook.test", { subscriptionId: id }, Date.now());
      const beganAt = performance.now();
      const delivery = await sender.send(row.url, { id: newMessageId(), body }, box.secretsOf(row), signal);
      return {
        accepted: delivery.outcome === "accepted",
        status: delivery.status,
        error: delivery.outcome === "accepted" ? null : delivery.error,
        milliseconds: Math.round(performance.now() - beganAt),
      };
    });
  }

  /** Messages that were given up, the oldest first. @param options.limit 1 … 1_000. @default 100 @throws {NotFoundError} */
  async deadLetters(
    id: string,
    options: SubscriptionCall & { limit?: number | undefined } = {},
  ): Promise<DeadLetter[]> {
    const { limit = 100 } = options;
    assertWhole("limit", limit, 1, DEAD_LIST_MAX);
    return await this.#run("deadLetters", options, async (signal) => {
      await this.#read(id, options, signal);
      return (await this.#parts.store.messages(id, "dead", { limit }, signal)).map(deadLetterOf);
    });
  }

  /**
   * Makes dead letters due again, before all that waits. A change is sent if it is still the memory's last one; otherwise the
   * later one was told, or will be. With the reading `versions` an older version is sent too, behind the later ones, as long as the
   * receiver is told the whole of what the memory says now.
   * @param options.ids @default all @returns how many. @throws {NotFoundError}
   */
  async replay(id: string, options: SubscriptionCall & { ids?: readonly string[] | undefined } = {}): Promise<number> {
    return await this.#run("replay", options, async (signal) => {
      await this.#read(id, options, signal);
      const revived = await this.#parts.store.revive(id, checkedIds(options.ids), signal);
      this.#parts.wake();
      return revived;
    });
  }

  /** Forgets dead letters. @param options.ids @default all @returns how many. @throws {NotFoundError} */
  async drop(id: string, options: SubscriptionCall & { ids?: readonly string[] | undefined } = {}): Promise<number> {
    return await this.#run("drop", options, async (signal) => {
      await this.#read(id, options, signal);
      return await this.#parts.store.dropDead(id, checkedIds(options.ids), signal);
    });
  }

  async #read(id: string, call: SubscriptionCall, signal: AbortSignal): Promise<SubscriptionRow> {
    const row = await this.#parts.store.read(id, visibilityOf(call), signal);
    if (row === null) throw unknownSubscription(id);
    return row;
  }

  async #change(id: string, change: SubscriptionChange, signal: AbortSignal, from?: From): Promise<SubscriptionRow> {
    const row = await this.#parts.store.change(id, change, signal, from);
    if (row === null) throw unknownSubscription(id);
    return row;
  }

  #run<T>(name: string, call: SubscriptionCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#parts.run(`subscriptions.${name}`, call, work);
  }

  #assertSetUp(): void {
    if (this.#parts.settings.secretKey !== undefined) return;
    throw new ConfigurationError(
      "webhooks need webhooks.secretKey (MNEMOSYNC_WEBHOOKS_SECRET_KEY), the same on every node: openssl rand -base64 32",
    );
  }
}
