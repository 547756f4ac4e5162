import { EpochChangedError } from "../domain/errors.ts";
import type { Feed } from "../feed/feed.ts";
import type { FeedPlace } from "../feed/follower.ts";
import { ALL_VISIBLE, type SubscriptionChange, type SubscriptionRow } from "../ledger/subscription-statements.ts";
import { backoffMs } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { type Batch, nextBatch, type Outgoing, windowFrom } from "./outgoing.ts";
import type { SecretBox } from "./secret-box.ts";
import type { Delivery as Answer, Sender } from "./sender.ts";
import type { WebhookSettings } from "./settings.ts";
import type { PausedReason } from "./subscription.ts";
import { cursorName, type SubscriptionStore } from "./subscription-store.ts";

export interface DeliveryParts {
  readonly store: SubscriptionStore;
  readonly feed: Pick<Feed, "read" | "tellsWhole" | "cursors">;
  readonly sender: Sender;
  readonly box: SecretBox;
  readonly settings: WebhookSettings;
  /** Names this process. */
  readonly holder: string;
  /** Milliseconds that a subscription stays with a process after its last sign of life: longer than two calls. */
  readonly leaseMs: number;
  readonly metrics: Pick<WebhookMetrics, "delivered">;
  readonly log: Log;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
  /** 0 … 1. @default Math.random */
  readonly random?: () => number;
}

/** Milliseconds after which a turn begins no further call, so that other subscriptions get theirs. */
const TURN_MS = 5_000;
/** Calls to one receiver at a time. Of a memory there is only one. */
const WINDOW = 8;
/** Refusals of a message in a row, after which no other answer is expected. Attempts that failed in another way do not count. */
const REFUSALS_MAX = 5;
/** Dead letters of a subscription: beyond, it is paused rather than let another one pass. */
export const DEAD_MAX = 1_000;
const RETRY_BASE_MS = 1_000;
const RELEASE_MS = 2_000;

/** Another process, or a caller, has taken the subscription or its place: the turn ends, and nothing is lost. */
const LOST = Symbol("lost");

type Lease = { renewedAt: number; readonly until: number }; // When it was renewed, and when its turn is over.

/**
 * Delivers one subscription, in turns. What is next goes out before anything later does: a message that is not accepted
 * stays at the head until it is, or becomes a dead letter.
 *
 *   active ──failed──► retrying ──accepted──► active
 *                        │ ├──refused 5 times──► dead letter, and on with the next
 *                        │ └──failed attemptsMax times──► dead letter, and paused (receiver_failing)
 *                        └──410──► paused (receiver_gone)
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #now: () => number;
  /** Messages behind a head that is not accepted which were accepted beside it: this process does not send them again. */
  readonly #ahead = new Map<string, Set<string>>();
  /** By subscription: refusals in a row of the message at the head. Another process counts anew, within `attemptsMax`. */
  readonly #refusals = new Map<string, { readonly head: string; readonly count: number }>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  /**
   * One turn: sends until nothing is left, the time is over, or a message is not accepted.
   * @returns whether the receiver got something, or the place moved on.
   * @throws {ConfigurationError} The secret cannot be read here. @throws {StoreUnavailableError}
   */
  async turn(id: string, signal: AbortSignal): Promise<boolean> {
    const { holder, leaseMs, feed, log } = this.#parts;
    const name = cursorName(id);
    const lease = { renewedAt: this.#now(), until: this.#now() + TURN_MS };
    if (!(await feed.cursors.lease(name, holder, leaseMs, signal))) return false;
    let moved = false;
    try {
      while (this.#now() < lease.until) {
        signal.throwIfAborted();
        const step = await this.#step(id, lease, signal);
        moved ||= step !== "idle";
        if (step !== "more") break;
      }
    } catch (error) {
      if (error !== LOST) throw error;
      log.debug({ subscription: id }, "webhook.taken_elsewhere");
    } finally {
      await feed.cursors.release(name, holder, AbortSignal.timeout(RELEASE_MS)).catch((error: Error) => {
        log.debug({ name, error: error.message }, "feed.cursor_not_released"); // The lease runs out by itself.
      });
    }
    return moved;
  }

  async #step(id: string, lease: Lease, signal: AbortSignal): Promise<"idle" | "more" | "stop"> {
    const { store, feed } = this.#parts;
    const [row, place] = [await store.read(id, ALL_VISIBLE, signal), await feed.cursors.read(cursorName(id), signal)];
    if (row === null || place === null || row.state !== "active") {
      this.#ahead.delete(id);
      this.#refusals.delete(id);
      return "stop";
    }
    let batch: Batch;
    try {
      batch = await nextBatch(this.#parts, row, place, signal);
    } catch (error) {
      if (!(error instanceof EpochChangedError)) throw error;
      await this.#pause(row, "epoch_changed", error.message, {}, signal);
      return "stop";
    }
    if (batch.superseded.length > 0) await store.deleteMessages(id, batch.superseded, signal);
    const { accepted, bad } = await this.#send(row, batch.messages, lease, signal);
    await this.#settle(row, place, batch, accepted, accepted === batch.messages.length, signal);
    if (bad !== null) return (await this.#fail(row, place, batch, { ...bad, accepted }, signal)) ? "more" : "stop";
    return batch.messages.length + batch.superseded.length === 0 && batch.complete ? "idle" : "more";
  }

  /** @returns how many were accepted before the first one that was not. */
  async #send(
    row: SubscriptionRow,
    messages: readonly Outgoing[],
    lease: Lease,
    signal: AbortSignal,
  ): Promise<{
    accepted: number;
    bad: { message: Outgoing; answer: Exclude<Answer, { outcome: "accepted" }> } | null;
  }> {
    if (messages.length === 0) return { accepted: 0, bad: null };
    const secrets = this.#parts.box.secretsOf(row);
    const ahead = this.#ahead.get(row.id) ?? new Set();
    this.#ahead.delete(row.id);
    for (let start = 0, size = 0; start < messages.length; start += size) {
      if (start > 0 && this.#now() >= lease.until) return { accepted: start, bad: null };
      await this.#hold(row.id, lease, signal);
      const isFailing = start === 0 && row.failures > 0; // It is asked with one call.
      const window = windowFrom(messages, start, isFailing ? 1 : WINDOW);
      size = window.length;
      const answers = await Promise.all(
        window.map(async (message) => (ahead.has(message.id) ? null : await this.#call(row, message, secrets, signal))),
      );
      const bad = answers.findIndex((answer) => answer !== null && answer.outcome !== "accepted");
      const [message, answer] = [window[bad], answers[bad]];
      if (message === undefined || answer == null || answer.outcome === "accepted") continue;
      for (const [index, other] of answers.entries()) {
        if (index > bad && other?.outcome === "accepted") ahead.add((window[index] as Outgoing).id);
      }
      if (ahead.size > 0) this.#ahead.set(row.id, ahead);
      return { accepted: start + bad, bad: { message, answer } };
    }
    return { accepted: messages.length, bad: null };
  }

  async #call(
    { url }: SubscriptionRow,
    { id, body }: Outgoing,
    secrets: readonly string[],
    signal: AbortSignal,
  ): Promise<Answer> {
    const beganAt = this.#now();
    const answer = await this.#parts.sender.send(url, { id, body: body() }, secrets, signal);
    this.#parts.metrics.delivered(answer.outcome, (this.#now() - beganAt) / 1_000);
    return answer;
  }

  /** A call that began under the lease ends under it: so no later one, of another process, overtakes it. */
  async #hold(id: string, lease: { renewedAt: number }, signal: AbortSignal): Promise<void> {
    const { feed, holder, leaseMs, settings } = this.#parts;
    const askedAt = this.#now();
    if (askedAt - lease.renewedAt < leaseMs - 2 * settings.timeoutMs) return;
    if (!(await feed.cursors.lease(cursorName(id), holder, leaseMs, signal))) throw LOST;
    lease.renewedAt = askedAt;
  }

  /** Keeps what was accepted. */
  async #settle(
    row: SubscriptionRow,
    place: FeedPlace,
    batch: Batch,
    accepted: number,
    isWhole: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#parts;
    if (batch.source === "queue") {
      const ids = batch.messages.slice(0, accepted).map(({ id }) => id);
      if (ids.length > 0) await store.deleteMessages(row.id, ids, signal);
    } else {
      const last = batch.messages[accepted - 1]?.change;
      const to = isWhole
        ? batch.end
        : last == null
          ? null
          : { epoch: last.epoch, cursor: { xid: last.xid, seq: last.seq } };
      if (to !== null) await this.#advance(row.id, place, to, signal);
    }
    const wasFailing = row.failures > 0 || row.nextAttemptAt !== null;
    if (accepted > 0 || (isWhole && wasFailing)) {
      await store.change(row.id, { delivered: accepted, head: null, failures: 0, nextAttemptMs: null }, signal);
    }
  }

  /** @returns whether the turn goes on. */
  async #fail(
    row: SubscriptionRow,
    place: FeedPlace,
    batch: Batch,
    failure: { message: Outgoing; answer: Exclude<Answer, { outcome: "accepted" }>; accepted: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { settings, log, random } = this.#parts;
    const { message, answer, accepted } = failure;
    const { error, outcome } = answer;
    const failures = row.head === message.id && accepted === 0 ? row.failures + 1 : 1;
    const about = { subscription: row.id, message: message.id, failures, error };
    const head = { head: message.id, failures };
    if (outcome === "gone") {
      await this.#pause(row, "receiver_gone", error, head, signal);
      return false;
    }
    const isRefusedForGood = this.#countRefusals(row.id, message.id, outcome) >= REFUSALS_MAX;
    if (failures < settings.attemptsMax && !isRefusedForGood) {
      const ownMs = backoffMs(failures, {
        baseMs: RETRY_BASE_MS,
        maxMs: settings.retryMaxMs,
        ...(random && { random }),
      });
      const askedMs = outcome === "failed" ? (answer.retryAfterMs ?? 0) : 0;
      const waitMs = Math.min(settings.retryMaxMs, Math.max(ownMs, askedMs));
      await this.#parts.store.change(row.id, { ...head, lastError: error, nextAttemptMs: waitMs }, signal);
      log.info({ ...about, waitMs }, "webhook.not_accepted");
      return false;
    }
    if (row.dead >= DEAD_MAX) {
      await this.#pause(row, "dead_letters_full", error, head, signal);
      return false;
    }
    await this.#bury(row, place, batch, { message, attempts: failures, lastError: error, accepted }, signal);
    log.warn(about, "webhook.message_dead");
    if (outcome === "failed") {
      await this.#pause(row, "receiver_failing", error, { head: null, failures: 0 }, signal);
      return false;
    }
    await this.#parts.store.change(row.id, { head: null, failures: 0, nextAttemptMs: null, lastError: error }, signal);
    return true;
  }

  #countRefusals(subscriptionId: string, head: string, outcome: Exclude<Answer["outcome"], "accepted">): number {
    const before = this.#refusals.get(subscriptionId);
    this.#refusals.delete(subscriptionId);
    if (outcome !== "refused") return 0;
    const count = before?.head === head ? before.count + 1 : 1;
    this.#refusals.set(subscriptionId, { head, count });
    return count;
  }

  async #bury(
    row: SubscriptionRow,
    place: FeedPlace,
    batch: Batch,
    dead: { message: Outgoing; attempts: number; lastError: string; accepted: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.#parts;
    const { message, attempts, lastError, accepted } = dead;
    const { id, type, change } = message;
    if (batch.source === "queue" || change === null) {
      await store.buryMessage(row.id, { id, attempts, lastError }, signal);
      return;
    }
    await store.buryChange(row.id, { id, topic: type, change, attempts, lastError }, signal);
    const before = batch.messages[accepted - 1]?.change;
    const from = before == null ? place : { epoch: before.epoch, cursor: { xid: before.xid, seq: before.seq } };
    const to = { epoch: change.epoch, cursor: { xid: change.xid, seq: change.seq } };
    await this.#advance(row.id, from, to, signal);
  }

  async #advance(id: string, from: FeedPlace, to: FeedPlace, signal: AbortSignal): Promise<void> {
    const { feed, holder } = this.#parts;
    const { xid, seq } = from.cursor;
    if (xid === to.cursor.xid && seq === to.cursor.seq) return;
    if (!(await feed.cursors.advance(cursorName(id), { from: from.cursor, to, holder }, signal))) throw LOST;
  }

  async #pause(
    { id }: SubscriptionRow,
    pausedReason: PausedReason,
    lastError: string,
    head: SubscriptionChange,
    signal: AbortSignal,
  ): Promise<void> {
    const change = { state: "paused", pausedReason, lastError, nextAttemptMs: null, ...head } as const;
    await this.#parts.store.change(id, change, signal);
    this.#parts.log.warn({ subscription: id, reason: pausedReason, error: lastError }, "webhook.paused");
  }
}
