import { Pulls } from "./pulls.ts";
import { Pushes } from "./pushes.ts";
import {
  dayOf,
  LISTED_MAX,
  type PullResult,
  type PushResult,
  SyncedList,
  type SyncingOptions,
  type SyncReport,
} from "./results.ts";

/** Rounds of pushing and pulling in one `syncNow`: a hub that is written to all the time has always more. */
const ROUNDS_MAX = 10_000;
const always = async (): Promise<boolean> => true;

/** The steps of a sync. No timers: loops, commands and simulations call them. Calls of one direction follow one another. */
export class Syncing {
  readonly #options: SyncingOptions;
  readonly #pushes: Pushes;
  readonly #pulls: Pulls;
  #pushing: Promise<unknown> = Promise.resolve();
  #pulling: Promise<unknown> = Promise.resolve();

  constructor(options: SyncingOptions) {
    this.#options = options;
    this.#pushes = new Pushes(options);
    this.#pulls = new Pulls(options, this.#pushes);
  }

  /** One batch. @throws {HubError} No answer came, or the hub refused the call: the changes stay as they are, frozen. */
  push(signal: AbortSignal): Promise<PushResult> {
    return this.#afterPushes(() => this.#pushes.one(signal));
  }

  /** Batches until nothing is due. @param mayGoOn asked before each. @throws {HubError} */
  drain(signal: AbortSignal, mayGoOn: () => Promise<boolean> = always, up?: SyncedList): Promise<PushResult> {
    return this.#afterPushes(() => this.#pushes.drain(signal, mayGoOn, up));
  }

  /** One page, behind a repetition of what has no answer. @param waitMs for which the hub may hold the request. */
  pull(waitMs: number, signal: AbortSignal): Promise<PullResult> {
    return this.#afterPulls(() => this.#pulls.one(waitMs, signal));
  }

  /** Pages to the end. @param mayGoOn asked before each further one. */
  pullToEnd(
    waitMs: number,
    signal: AbortSignal,
    mayGoOn: () => Promise<boolean> = always,
    down?: SyncedList,
  ): Promise<PullResult> {
    return this.#afterPulls(() => this.#pulls.toEnd(waitMs, signal, mayGoOn, down));
  }

  /** Pushes until nothing is due, pulls to the end, and pushes what conflicts made of it. @param listMax changes of each direction. */
  async all(signal: AbortSignal, listMax = LISTED_MAX): Promise<SyncReport> {
    const [up, down] = [new SyncedList(listMax), new SyncedList(listMax)];
    const report = { pushed: 0, pulled: 0, conflicts: 0, failed: 0 };
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const pushed = await this.drain(signal, always, up);
      report.pushed += pushed.applied;
      report.failed += pushed.failed;
      report.conflicts += pushed.conflicts;
      const pulled = await this.pullToEnd(0, signal, always, down);
      report.pulled += pulled.changes;
      report.conflicts += pulled.conflicts;
      if (pulled.conflicts === 0 && pushed.sent === 0) break;
    }
    const { pending } = await this.#options.port.status(this.#options.now(), dayOf(this.#options.now()));
    return { ...report, pending, up: up.toJSON(), down: down.toJSON() };
  }

  #afterPushes(work: () => Promise<PushResult>): Promise<PushResult> {
    const result = this.#pushing.then(work);
    this.#pushing = result.catch(() => undefined); // The caller gets the error; the next call must not fail with it.
    return result;
  }

  #afterPulls(work: () => Promise<PullResult>): Promise<PullResult> {
    const result = this.#pulling.then(work);
    this.#pulling = result.catch(() => undefined); // As above.
    return result;
  }
}
