import { HubError } from "../../hub/protocol/codes.ts";
import type { PushAnswers } from "../../hub/protocol/push.ts";
import type { RecordedAnswers } from "../file/answers.ts";
import { type Batch, type BatchBounds, headsOf } from "../file/batches.ts";
import { changesUp } from "../file/synced-change.ts";
import type { HubBounds } from "./hub-link.ts";
import { dayOf, NOTHING_SENT, type PushResult, type SyncedList, type SyncingOptions } from "./results.ts";
import { beginResync } from "./resyncing.ts";

/**
 * Requests of one drain that are under way at once: while the hub commits one batch, the next one travels and the file keeps the
 * answers to the one before.
 */
const LANES = 3;
/** Batches of one lane in one drain: a hub that answers with a conflict each time makes work for ever. */
const BATCHES_MAX = 10_000;

const never = async (): Promise<boolean> => false;

/** What a batch came to. `next`: the batch that follows, which is frozen and under way; null: nothing is due. */
interface Sent {
  readonly result: PushResult;
  readonly next: Batch | null | "unknown";
}

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
    const batch = await this.#freeze(signal);
    return batch === null ? NOTHING_SENT : (await this.#send(batch, signal, never)).result;
  }

  /**
   * Sends until nothing is due, several batches at once. A batch has at most one change of a memory, and a change behind one
   * that is under way waits: changes of one memory keep their order.
   * @param mayGoOn asked before each batch. @param up is told what became of the changes. @returns with `more` where a lane used up its batches: changes may be left.
   * @throws {HubError} Once nothing is under way.
   */
  async drain(signal: AbortSignal, mayGoOn: () => Promise<boolean>, up?: SyncedList): Promise<PushResult> {
    let total: PushResult = NOTHING_SENT;
    let isOver = false;
    let isCut = false;
    const goesOn = async (): Promise<boolean> => !isOver && (await mayGoOn());
    const send = async (batch: Batch): Promise<Sent> => {
      const sent = await this.#send(batch, signal, goesOn, up);
      total = added(total, sent.result);
      return sent;
    };
    const lane = async (first: Sent["next"]): Promise<void> => {
      let batch = first;
      for (let round = 1; round < BATCHES_MAX; round++) {
        // What stood behind a change that was under way may be due now: hence once more after each batch.
        if (batch === "unknown") batch = (await goesOn()) ? await this.#freeze(signal) : null;
        if (batch === null) return;
        if (isOver) return this.#leave(batch);
        batch = (await send(batch)).next;
      }
      if (batch !== null && batch !== "unknown") this.#leave(batch);
      isCut = true;
    };
    const first = (await goesOn()) ? await this.#freeze(signal) : null;
    if (first === null) return NOTHING_SENT;
    const { next, result } = await send(first);
    const lanes = Array.from({ length: result.more ? LANES : 1 }, (_, index) =>
      lane(index === 0 ? next : "unknown").catch((error: unknown) => {
        isOver = true;
        throw error;
      }),
    );
    const failed = (await Promise.allSettled(lanes)).find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return { ...total, more: isCut };
  }

  async #freeze(signal: AbortSignal): Promise<Batch | null> {
    const { port, link, now } = this.#options;
    const bounds = this.#bounds(await link.meet(signal));
    return await this.#inTurn(async () => {
      const batch = await port.freezeBatch(bounds, now(), [...this.#inFlight]);
      this.#enter(batch);
      return batch;
    });
  }

  /** @param goesOn whether the batch that follows is frozen with the answers: one commit of the file for both. */
  async #send(batch: Batch, signal: AbortSignal, goesOn: () => Promise<boolean>, up?: SyncedList): Promise<Sent> {
    const { link, now, onNotices, onPushed } = this.#options;
    const { more, device, ...push } = batch;
    const heads = headsOf(batch);
    const keys = heads.map(({ key }) => key);
    // The time of sending, not of freezing: the hub takes the difference of the clocks from it.
    const sentAt = now();
    try {
      let answers: PushAnswers;
      try {
        answers = await link.call(device, (hub) => hub.push({ ...push, sentAt }, signal));
      } catch (error) {
        const result = await this.#failed(error, keys, signal);
        this.#leave(batch);
        return { result, next: "unknown" };
      }
      if (answers.answers.length !== keys.length) {
        throw new HubError("INTERNAL", `the hub gave ${answers.answers.length} answers to ${keys.length} changes`);
      }
      this.#batchMax = Math.min(Number.MAX_SAFE_INTEGER, this.#batchMax * 2);
      // Asked last: another lane may have forgotten them meanwhile.
      const told = (await goesOn()) ? link.bounds : null;
      const bounds = told === null ? null : this.#bounds(told);
      const { notices, epoch, batch: next, ...counts } = await this.#record(batch, answers, sentAt, bounds);
      const isOtherEpoch = answers.epoch !== epoch;
      if (isOtherEpoch) link.forget();
      onNotices(notices);
      if (up !== undefined && !isOtherEpoch) {
        const told = changesUp(heads, answers.answers, notices);
        up.add(told, told.length);
      }
      const result = { sent: keys.length, ...counts, more: (bounds === null ? more : next !== null) || isOtherEpoch };
      onPushed(result);
      return { result, next: bounds === null || isOtherEpoch ? "unknown" : next };
    } catch (error) {
      this.#leave(batch);
      throw error;
    }
  }

  #record(batch: Batch, answers: PushAnswers, sentAt: number, bounds: BatchBounds | null): Promise<RecordedAnswers> {
    const { port, now } = this.#options;
    const keys = headsOf(batch).map(({ key }) => key);
    return this.#inTurn(async () => {
      const others = new Set(this.#inFlight);
      for (const key of keys) others.delete(key);
      const next = bounds && { bounds, inFlight: [...others] };
      const nowMs = now();
      const recorded = await port.recordAnswers(keys, answers, { sentAt, nowMs }, dayOf(nowMs), next);
      this.#leave(batch);
      this.#enter(recorded.batch);
      return recorded;
    });
  }

  /** One after the other: a batch must not have what the one before it has. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#freezing.then(work);
    this.#freezing = done.catch(() => undefined); // The caller gets the error; the next one must not fail with it.
    return done;
  }

  #enter(batch: Batch | null): void {
    for (const { key } of batch === null ? [] : headsOf(batch)) this.#inFlight.add(key);
  }

  /** What has no answer is repeated first, once nothing of it is under way. */
  #leave(batch: Batch): void {
    for (const { key } of headsOf(batch)) this.#inFlight.delete(key);
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

  #bounds({ pushChangesMax, pushBytesMax: hubBytesMax }: HubBounds): BatchBounds {
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
