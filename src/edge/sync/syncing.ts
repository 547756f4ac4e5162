import type { ChangesPage } from "../../hub/protocol/changes.ts";
import { HubError } from "../../hub/protocol/codes.ts";
import type { PushAnswers } from "../../hub/protocol/push.ts";
import type { FileNotice } from "../file/context.ts";
import type { EdgeSettings } from "../settings.ts";
import type { FilePort } from "../worker/file-port.ts";
import type { HubBounds, HubLink } from "./hub-link.ts";

/** What one push came to. */
export interface PushResult {
  readonly sent: number;
  readonly applied: number;
  readonly conflicts: number;
  readonly failed: number;
  /** Changes that the hub did not take now. */
  readonly retry: number;
  /** Whether more could be sent at once. */
  readonly more: boolean;
}

/** What one pull came to. */
export interface PullResult {
  readonly changes: number;
  readonly conflicts: number;
  /** Whether the hub has more that was not asked for yet. */
  readonly more: boolean;
}

/** What a whole sync came to. */
export interface SyncReport {
  readonly pushed: number;
  readonly pulled: number;
  readonly conflicts: number;
  readonly failed: number;
  /** Changes that still wait: the hub asked for patience, or they are held up. */
  readonly pending: number;
}

export interface SyncingOptions {
  readonly port: FilePort;
  readonly link: HubLink;
  readonly settings: EdgeSettings;
  readonly now: () => number;
  readonly onNotices: (notices: readonly FileNotice[]) => void;
  readonly onPushed: (result: PushResult) => void;
  readonly onPulled: (result: PullResult) => void;
}

const NOTHING_SENT: PushResult = { sent: 0, applied: 0, conflicts: 0, failed: 0, retry: 0, more: false };
/** Rounds of pushing and pulling in one `syncNow`: a hub that is written to all the time has always more. */
const ROUNDS_MAX = 10_000;

/** The steps of a sync. No timers: loops, commands and simulations call them. */
export class Syncing {
  readonly #options: SyncingOptions;
  /** Changes of one push, after the hub refused a larger one. */
  #batchMax = Number.MAX_SAFE_INTEGER;
  #pushing: Promise<unknown> = Promise.resolve();
  #pulling: Promise<unknown> = Promise.resolve();

  constructor(options: SyncingOptions) {
    this.#options = options;
  }

  /**
   * Sends one batch and keeps its answers. Calls follow one another.
   * @throws {HubError} No answer came, or the hub refused the call: the changes stay as they are, frozen.
   */
  push(signal: AbortSignal): Promise<PushResult> {
    const result = this.#pushing.then(() => this.#push(signal));
    this.#pushing = result.catch(() => undefined); // The caller gets the error; the next call must not fail with it.
    return result;
  }

  /**
   * Repeats changes whose answer is not known, then asks for one page and applies it. Calls follow one another.
   * @param waitMs for which the hub may hold the request while it has no changes.
   */
  pull(waitMs: number, signal: AbortSignal): Promise<PullResult> {
    const result = this.#pulling.then(() => this.#pull(waitMs, signal));
    this.#pulling = result.catch(() => undefined); // As above.
    return result;
  }

  /** Pushes until nothing is due, pulls to the end, and pushes what conflicts made of it. */
  async all(signal: AbortSignal): Promise<SyncReport> {
    const report = { pushed: 0, pulled: 0, conflicts: 0, failed: 0 };
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const pushed = await this.push(signal);
      report.pushed += pushed.applied;
      report.failed += pushed.failed;
      report.conflicts += pushed.conflicts;
      if (pushed.more || pushed.conflicts > 0) continue;
      const pulled = await this.pull(0, signal);
      report.pulled += pulled.changes;
      report.conflicts += pulled.conflicts;
      if (!pulled.more && pulled.conflicts === 0 && pushed.sent === 0) break;
    }
    const { pending } = await this.#options.port.status(this.#options.now(), this.#today());
    return { ...report, pending };
  }

  async #push(signal: AbortSignal): Promise<PushResult> {
    const { port, link, now, onNotices, onPushed } = this.#options;
    const bounds = await link.meet(signal);
    const batch = await port.freezeBatch(this.#batchBounds(bounds), now());
    if (batch === null) return NOTHING_SENT;
    const { more, ...push } = batch;
    const { device } = await port.state();
    // The time of sending, not of freezing: the hub takes the difference of the clocks from it.
    const sentAt = now();
    let answers: PushAnswers;
    try {
      answers = await link.call(device, (hub) => hub.push({ ...push, sentAt }, signal));
    } catch (error) {
      return await this.#pushFailed(error, push.changes, signal);
    }
    if (answers.answers.length !== push.changes.length) {
      throw new HubError(
        "INTERNAL",
        `the hub gave ${answers.answers.length} answers to ${push.changes.length} changes`,
      );
    }
    this.#batchMax = Math.min(Number.MAX_SAFE_INTEGER, this.#batchMax * 2);
    const keys = push.changes.map(({ key }) => key);
    const { notices, ...counts } = await port.recordAnswers(keys, answers, { sentAt, nowMs: now() }, this.#today());
    const isOtherEpoch = answers.epoch !== (await port.state()).epoch;
    if (isOtherEpoch) link.forget();
    onNotices(notices);
    const result = { sent: keys.length, ...counts, more: more || isOtherEpoch };
    onPushed(result);
    return result;
  }

  /** A batch that is refused as a whole is sent in halves, until the change at fault is alone. */
  async #pushFailed(error: unknown, changes: readonly { key: string }[], signal: AbortSignal): Promise<PushResult> {
    const { port, link, onNotices } = this.#options;
    if (!(error instanceof HubError)) throw error;
    if (error.code === "RESYNC_REQUIRED") {
      await this.#resync(error, signal);
      return { ...NOTHING_SENT, more: true };
    }
    if (error.code !== "SYNC_BATCH") throw error;
    link.forget(); // Its bounds may be others now.
    if (changes.length > 1) {
      this.#batchMax = Math.ceil(changes.length / 2);
      return { ...NOTHING_SENT, more: true };
    }
    const [only] = changes;
    if (only === undefined) throw error;
    const failed = await port.failAlone(only.key, "SYNC_PAYLOAD", error.message);
    onNotices(failed);
    return { ...NOTHING_SENT, sent: 1, failed: 1, more: true };
  }

  async #pull(waitMs: number, signal: AbortSignal): Promise<PullResult> {
    const { port, link, settings, now, onNotices, onPulled } = this.#options;
    const bounds = await link.meet(signal);
    // What was sent without an answer may be at the hub: its page would look like another device's.
    while ((await port.state()).hasUnanswered) await this.push(signal);
    const { device, cursor } = await port.state();
    const limit = Math.min(settings.pullPageSize, bounds.pageChangesMax);
    const options = { limit, waitMs: Math.min(waitMs, bounds.waitMsMax), namespaces: settings.namespaces };
    let page: ChangesPage;
    try {
      page = await link.call(device, (hub) => hub.changesAfter(cursor, options, signal));
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "RESYNC_REQUIRED") throw error;
      await this.#resync(error, signal);
      return { changes: 0, conflicts: 0, more: true };
    }
    const { notices, dropped, ...counts } = await port.applyPage(page, cursor, now(), this.#today());
    if (dropped) link.forget();
    onNotices(notices);
    const result = { ...counts, more: dropped || !page.complete };
    onPulled(result);
    return result;
  }

  async #resync(error: HubError, signal: AbortSignal): Promise<void> {
    const { port, link, now } = this.#options;
    link.forget();
    const before = await port.state();
    await link.meet(signal); // Another epoch begins the resync by itself.
    if (error.resync?.reason === "tombstones" && (await port.state()).epoch === before.epoch) {
      await port.beginResync("tombstones", before.epoch, now());
    }
  }

  #batchBounds(bounds: HubBounds) {
    const { pushBatchSize, pushBytesMax } = this.#options.settings;
    return {
      changesMax: Math.max(1, Math.min(pushBatchSize, bounds.pushChangesMax, this.#batchMax)),
      bytesMax: Math.min(pushBytesMax, bounds.pushBytesMax),
    };
  }

  #today(): string {
    return dayOf(this.#options.now());
  }
}

/** The day of a time, where this machine is: what people call today. */
export function dayOf(nowMs: number): string {
  const date = new Date(nowMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
