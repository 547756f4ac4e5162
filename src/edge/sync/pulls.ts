import { AbortedError } from "../../domain/errors.ts";
import type { ChangesPage } from "../../hub/protocol/changes.ts";
import { HubError } from "../../hub/protocol/codes.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import type { HubBounds } from "./hub-link.ts";
import type { Pushes } from "./pushes.ts";
import { dayOf, type PullResult, SyncedList, type SyncingOptions } from "./results.ts";
import { beginResync } from "./resyncing.ts";

/** A page that was asked for. */
interface Asked {
  readonly cursor: string | null;
  readonly page: Promise<ChangesPage>;
  /** Ends the request. Resolves once it is over. */
  drop(): Promise<void>;
}

/** Pages of the hub's changes. */
export class Pulls {
  readonly #options: SyncingOptions;
  readonly #pushes: Pushes;

  constructor(options: SyncingOptions, pushes: Pushes) {
    this.#options = options;
    this.#pushes = pushes;
  }

  /** Repeats changes whose answer is not known, then asks for one page and applies it. */
  async one(waitMs: number, signal: AbortSignal): Promise<PullResult> {
    const { bounds, cursor } = await this.#prepare(signal);
    return (await this.#take(await this.#ask(cursor, waitMs, bounds, signal), signal, new SyncedList(0))).result;
  }

  /**
   * As `one`, to the end of what the hub has. The next page is on its way while one is applied. It is asked for with a cursor that is
   * not durable here yet: after a crash in between the hub may prune deletions that the file was not told of, finds that out by the
   * older cursor, and asks for a resync.
   * @param mayGoOn asked before each further page.
   */
  async toEnd(
    waitMs: number,
    signal: AbortSignal,
    mayGoOn: () => Promise<boolean>,
    down: SyncedList = new SyncedList(0),
  ): Promise<PullResult> {
    const total = { changes: 0, news: 0, conflicts: 0 };
    let ahead: Asked | null = null;
    try {
      for (let isFirst = true; isFirst || (await mayGoOn()); isFirst = false) {
        const { bounds, cursor } = await this.#prepare(signal);
        if (ahead !== null && ahead.cursor !== cursor) {
          await ahead.drop(); // The file reads elsewhere now, after a resync for instance.
          ahead = null;
        }
        const asked: Asked = ahead ?? (await this.#ask(cursor, isFirst ? waitMs : 0, bounds, signal));
        ahead = null;
        const { result, next } = await this.#take(asked, signal, down, (page) => {
          return this.#ask(page.cursor, 0, bounds, signal);
        });
        ahead = next;
        total.changes += result.changes;
        total.news += result.news;
        total.conflicts += result.conflicts;
        if (!result.more) return { ...total, more: false };
      }
      return { ...total, more: true };
    } finally {
      await ahead?.drop();
    }
  }

  async #prepare(signal: AbortSignal): Promise<{ bounds: HubBounds; cursor: string | null }> {
    const { port, link } = this.#options;
    const bounds = await link.meet(signal);
    // What was sent without an answer may be at the hub: its page would look like another device's. What is under way now waits
    // in the inbox, if the page has it.
    let state = await port.state();
    for (; state.unanswered > this.#pushes.inFlight; state = await port.state()) await this.#pushes.one(signal);
    return { bounds, cursor: state.cursor };
  }

  async #ask(cursor: string | null, waitMs: number, bounds: HubBounds, signal: AbortSignal): Promise<Asked> {
    const { port, link, settings } = this.#options;
    const { device } = await port.state();
    const abort = new LinkedAbort(signal);
    const limit = Math.min(settings.pullPageSize, bounds.pageChangesMax);
    const options = { limit, waitMs: Math.min(waitMs, bounds.waitMsMax), namespaces: settings.namespaces };
    const page = link
      .call(device, (hub) => hub.changesAfter(cursor, options, abort.signal))
      .finally(() => abort.release());
    page.catch(() => undefined); // It is awaited when its turn comes.
    const drop = async (): Promise<void> => {
      abort.abort(new AbortedError("a page that was asked for in advance")); // No failure of the hub's.
      await page.catch(() => undefined); // It fails by this abort, or has failed before: nobody reads it.
    };
    return { cursor, page, drop };
  }

  /** @param andNext asks for the page behind this one, where there is one, while this one is applied. */
  async #take(
    asked: Asked,
    signal: AbortSignal,
    down: SyncedList,
    andNext?: (page: ChangesPage) => Promise<Asked>,
  ): Promise<{ result: PullResult; next: Asked | null }> {
    const { port, link, now, onNotices, onPulled } = this.#options;
    let page: ChangesPage;
    try {
      page = await asked.page;
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "RESYNC_REQUIRED") throw error;
      await beginResync(this.#options, error, signal);
      return { result: { changes: 0, news: 0, conflicts: 0, more: true }, next: null };
    }
    const next = page.complete || andNext === undefined ? null : await andNext(page);
    try {
      const place = { cursor: asked.cursor, tellMax: down.room };
      const { notices, dropped, told, ...counts } = await port.applyPage(page, place, now(), dayOf(now()));
      if (dropped) link.forget();
      onNotices(notices);
      down.add(told, counts.news);
      const result = { ...counts, more: dropped || !page.complete };
      onPulled(result);
      return { result, next };
    } catch (error) {
      await next?.drop();
      throw error;
    }
  }
}
