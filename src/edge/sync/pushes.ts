import { HubError } from "../../hub/protocol/codes.ts";
import type { PushAnswers } from "../../hub/protocol/push.ts";
import type { Batch } from "../file/batches.ts";
import type { HubBounds } from "./hub-link.ts";
import { dayOf, NOTHING_SENT, type PushResult, type SyncingOptions } from "./results.ts";
import { beginResync } from "./resyncing.ts";

/**
 * Requests of one drain that are under way at once: while the hub commits one batch, the next one travels and the file keeps the
 * answers to the one before.
 */
const LANES = 3;
/** Batches of one lane in one drain: a hub that answers with a conflict each time makes work for ever. */
const BATCHES_MAX = 10_000;

/** Batches on their way to the hub. */
export class Pushes {
  readonly #options: SyncingOptions;
  /** Changes of one push, after the hub refused a larger one. */
  #batchMax = Number.MAX_SAFE_INTEGER;
  /** Keys of the changes whose request is under way. */
  readonly #inFlight = new Set<string>();
  #freezing: Promise<unknown> = Promise.resolve();

  constructor(options: SyncingOptions) {
    this.#options = options;
  }

  /** Changes whose request is under way. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /**
   * Sends one batch and keeps its answers.
   * @throws {HubError} No answer came, or the hub refused the call: the changes stay as they are, frozen.
   */
  async one(signal: AbortSignal): Promise<PushResult> {
    const bounds = await this.#options.link.meet(signal);
    const batch = await this.#freeze(bounds);
    if (batch === null) return NOTHING_SENT;
    const keys = batch.changes.map(({ key }) => key);
    try {
      return await this.#send(batch, keys, signal);
    } finally {
      for (const key of keys) this.#inFlight.delete(key);
    }
  }

  /**
   * Sends until nothing is due, several batches at once. A batch has at most one change of a memory, and a change behind one
   * that is under way waits: changes of one memory keep their order.
   * @param mayGoOn asked before each batch. @returns with `more` where a lane used up its batches: changes may be left.
   * @throws {HubError} Once nothing is under way.
   */
  async drain(signal: AbortSignal, mayGoOn: () => Promise<boolean>): Promise<PushResult> {
    let total: PushResult = NOTHING_SENT;
    let isOver = false;
    let isCut = false;
    const lane = async (first: PushResult | null): Promise<void> => {
      for (let round = 0; round < BATCHES_MAX && !isOver; round++) {
        const result =
          first !== null && round === 0 ? first : (await mayGoOn()) ? await this.one(signal) : NOTHING_SENT;
        total = added(total, result);
        // What stood behind a change that was under way may be due now: hence once more after each batch.
        if (result.sent === 0 && !result.more) return;
      }
      isCut = true;
    };
    const first = (await mayGoOn()) ? await this.one(signal) : NOTHING_SENT;
    const lanes = Array.from({ length: first.more ? LANES : 1 }, (_, index) =>
      lane(index === 0 ? first : null).catch((error: unknown) => {
        isOver = true;
        throw error;
      }),
    );
    const failed = (await Promise.allSettled(lanes)).find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return { ...total, more: isCut };
  }

  /** One after the other: a batch must not have what the one before it has. */
  #freeze(bounds: HubBounds): Promise<Batch | null> {
    const { port, now } = this.#options;
    const frozen = this.#freezing.then(async () => {
      const batch = await port.freezeBatch(this.#bounds(bounds), now(), [...this.#inFlight]);
      for (const { key } of batch?.changes ?? []) this.#inFlight.add(key);
      return batch;
    });
    this.#freezing = frozen.catch(() => undefined); // The caller gets the error; the next one must not fail with it.
    return frozen;
  }

  async #send(batch: Batch, keys: readonly string[], signal: AbortSignal): Promise<PushResult> {
    const { port, link, now, onNotices, onPushed } = this.#options;
    const { more, device, ...push } = batch;
    // The time of sending, not of freezing: the hub takes the difference of the clocks from it.
    const sentAt = now();
    let answers: PushAnswers;
    try {
      answers = await link.call(device, (hub) => hub.push({ ...push, sentAt }, signal));
    } catch (error) {
      return await this.#failed(error, keys, signal);
    }
    if (answers.answers.length !== keys.length) {
      throw new HubError("INTERNAL", `the hub gave ${answers.answers.length} answers to ${keys.length} changes`);
    }
    this.#batchMax = Math.min(Number.MAX_SAFE_INTEGER, this.#batchMax * 2);
    const times = { sentAt, nowMs: now() };
    const { notices, epoch, ...counts } = await port.recordAnswers(keys, answers, times, dayOf(now()));
    const isOtherEpoch = answers.epoch !== epoch;
    if (isOtherEpoch) link.forget();
    onNotices(notices);
    const result = { sent: keys.length, ...counts, more: more || isOtherEpoch };
    onPushed(result);
    return result;
  }

  /** A batch that is refused as a whole is sent in halves, until the change at fault is alone. */
  async #failed(error: unknown, keys: readonly string[], signal: AbortSignal): Promise<PushResult> {
    const { port, link, onNotices } = this.#options;
    if (!(error instanceof HubError)) throw error;
    if (error.code === "RESYNC_REQUIRED") {
      await beginResync(this.#options, error, signal);
      return { ...NOTHING_SENT, more: true };
    }
    if (error.code !== "SYNC_BATCH") throw error;
    link.forget(); // Its bounds may be others now.
    if (keys.length > 1) {
      this.#batchMax = Math.ceil(keys.length / 2);
      return { ...NOTHING_SENT, more: true };
    }
    const [only] = keys;
    if (only === undefined) throw error;
    const failed = await port.failAlone(only, "SYNC_PAYLOAD", error.message);
    onNotices(failed);
    return { ...NOTHING_SENT, sent: 1, failed: 1, more: true };
  }

  #bounds({ pushChangesMax, pushBytesMax: hubBytesMax }: HubBounds) {
    const { pushBatchSize, pushBytesMax } = this.#options.settings;
    return {
      changesMax: Math.max(1, Math.min(pushBatchSize, pushChangesMax, this.#batchMax)),
      bytesMax: Math.min(pushBytesMax, hubBytesMax),
    };
  }
}

function added(one: PushResult, other: PushResult): PushResult {
  const lags = [one.lagMs, other.lagMs].filter((lag) => lag !== null);
  return {
    sent: one.sent + other.sent,
    applied: one.applied + other.applied,
    conflicts: one.conflicts + other.conflicts,
    failed: one.failed + other.failed,
    retry: one.retry + other.retry,
    lagMs: lags.length === 0 ? null : Math.max(...lags),
    more: false,
  };
}
