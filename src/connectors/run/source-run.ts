import type { ConnectorState, KnownItem, RunCounts, RunRecord } from "../state/state.ts";
import { ALL_TIME, type TimeWindow } from "../time-window.ts";
import { completed } from "./completed.ts";
import {
  expectedOutcome,
  fetchedCounts,
  type ItemResult,
  isStoredInPart,
  knownAfter,
  lettersAndSettled,
} from "./item-result.ts";
import { missingItems } from "./missing.ts";
import { addedCounts, errorOfRun, newRun, type RunRefused } from "./run-record.ts";
import type { CompletedItem, ListingOutcome, Source, SourceItem } from "./source.ts";
import { assertSourceOptions, type SourceRunOptions } from "./source-run-options.ts";
import type { ItemOutcome, Target } from "./target.ts";

export type { SourceRunOptions };

export interface SourceRunParts {
  readonly source: Source;
  readonly target: Target;
  readonly state: ConnectorState;
  /**
   * Tidies up what belongs to the connector, e.g. its files, while no other process can have it: before the run is kept as ended.
   * Not called in a dry run. What it throws is kept as the reason why the run is `partial`.
   */
  readonly tidy?: (run: RunRecord, signal: AbortSignal) => Promise<void>;
  /** Told after each page. */
  readonly onProgress?: (counts: RunCounts) => void;
  /** A run to go on with, whose process was lost. @default a new one */
  readonly begun?: RunRecord | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const PAGE_SIZE = 100;
/** Bytes of an item's id, at most. */
const ID_BYTES_MAX = 1_024;
const OVERLAP_MS = 600_000;

/**
 * One run of a source: reads items, stores what is new or says something else, and keeps after each page what was done. A run
 * that dies is repeated from the same time, and finds by the hashes of items what is done already. The cursor moves once the
 * listing was complete, to a time taken before it began: what changes meanwhile is read by the next run.
 * @returns the run as the log keeps it; it does not reject for a failure of the service or of the target, which the log has.
 * @throws {ValidationError} An option is out of its bounds: nothing was begun.
 */
export async function runSource(
  parts: SourceRunParts,
  options: SourceRunOptions,
  signal: AbortSignal,
): Promise<RunRecord | RunRefused> {
  assertSourceOptions(options);
  const now = parts.now ?? Date.now;
  const begun = parts.begun ?? newRun(options.scope, now());
  const refused = options.dryRun === true ? null : await parts.state.begin(begun);
  if (refused !== null) return refused;
  // Read once the connector is taken: another process may have moved it until then.
  const run = new SourceRun(parts, options, begun, await parts.state.cursor(), signal);
  const worked = await run.work();
  const tidied = options.dryRun === true ? worked : await tidiedUp(parts, worked, signal);
  const ended = { ...tidied, endedAt: now() };
  if (options.dryRun !== true) await parts.state.end(ended, run.cursorAfter);
  return ended;
}

async function tidiedUp({ tidy }: SourceRunParts, run: RunRecord, signal: AbortSignal): Promise<RunRecord> {
  if (tidy === undefined || signal.aborted) return run;
  try {
    await tidy(run, signal);
    return run;
  } catch (error) {
    if (signal.aborted) return { ...run, state: "cancelled" };
    return { ...run, state: run.state === "succeeded" ? "partial" : run.state, error: run.error ?? errorOfRun(error) };
  }
}

class SourceRun {
  readonly #parts: SourceRunParts;
  readonly #options: SourceRunOptions;
  readonly #signal: AbortSignal;
  readonly #begun: RunRecord;
  readonly #cursorBefore: number | null;
  /** Behind what the next run reads: moved once the listing was complete. */
  cursorAfter: number | null;
  #counts: RunCounts;
  /** Hashes of this run's items by id: a service gives an item more than once. */
  readonly #seen = new Map<string, string>();
  /** Items that have no id by which they could be kept, as dead letters neither. */
  #unkeepable = 0;
  /** Whether the limit left items out: then the listing is not dealt with to its end. */
  #isCut = false;

  constructor(
    parts: SourceRunParts,
    options: SourceRunOptions,
    begun: RunRecord,
    cursorBefore: number | null,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#begun = begun;
    this.#counts = begun.counts;
    this.#cursorBefore = cursorBefore;
    this.cursorAfter = cursorBefore;
    this.#signal = signal;
  }

  async work(): Promise<RunRecord> {
    try {
      const { complete, reason } = await this.#import();
      // Items in the dead letters do not hold the cursor: they are replayed from there.
      if (complete) this.cursorAfter = this.#begun.startedAt;
      const missing = complete && this.#options.scope === "full" ? await this.#removeMissing() : null;
      const why = reason ?? missing ?? this.#flaw;
      const isPartial = why !== null || this.#counts.failed > 0;
      return {
        ...this.#record,
        state: isPartial ? "partial" : "succeeded",
        error: why === null ? null : { code: "INCOMPLETE", message: why },
      };
    } catch (error) {
      if (this.#signal.aborted) return { ...this.#record, state: "cancelled" };
      return { ...this.#record, state: "failed", error: errorOfRun(error) };
    }
  }

  /** @returns how the listing ended; not complete where a limit ended it. */
  async #import(): Promise<ListingOutcome> {
    const items = this.#parts.source.list(this.#window, this.#signal);
    let page: SourceItem[] = [];
    let imported = 0;
    for (;;) {
      const step = await items.next();
      this.#signal.throwIfAborted();
      if (step.done) {
        await this.#take(page);
        this.#count({ failed: step.value.unreadable });
        return this.#isCut ? this.#limited : step.value;
      }
      if (!isKeepable(step.value)) {
        this.#unkeepable++;
        this.#count({ read: 1, failed: 1 });
        continue;
      }
      if (this.#seen.get(step.value.id) === step.value.hash) continue;
      this.#seen.set(step.value.id, step.value.hash);
      page.push(step.value);
      if (page.length < PAGE_SIZE) continue;
      imported += await this.#take(page);
      page = [];
      if (imported >= (this.#options.limit ?? Number.POSITIVE_INFINITY)) {
        await items.return(this.#limited);
        return this.#limited;
      }
    }
  }

  get #flaw(): string | null {
    if (this.#unkeepable === 0) return null;
    return `${this.#unkeepable} items have an id with NUL or half a character, or of over ${ID_BYTES_MAX} bytes: they were left out`;
  }

  get #limited(): ListingOutcome {
    return { complete: false, reason: `the limit of ${this.#options.limit} items is reached`, unreadable: 0 };
  }

  get #window(): TimeWindow {
    const { scope, overlapMs = OVERLAP_MS } = this.#options;
    if (scope === "full" || this.#cursorBefore === null) return ALL_TIME;
    return { from: this.#cursorBefore - overlapMs, to: null };
  }

  /** @returns how many items were stored. */
  async #take(page: readonly SourceItem[]): Promise<number> {
    if (page.length === 0) return 0;
    const { state, target } = this.#parts;
    const known = await state.items(page.map(({ id }) => id));
    const isNews = (item: SourceItem) => {
      const found = known.get(item.id);
      return (
        found === undefined || found.hash !== item.hash || found.state === "deleted" || this.#options.force === true
      );
    };
    const left = Math.max(0, (this.#options.limit ?? Number.POSITIVE_INFINITY) - this.#stored);
    const news = page.filter(isNews).slice(0, left);
    if (page.filter(isNews).length > left) this.#isCut = true;
    const whole = await this.#completed(news);
    this.#count(fetchedCounts(whole));
    const outcomes =
      this.#options.dryRun === true
        ? news.map((item) => expectedOutcome(known.get(item.id)))
        : await target.write(
            whole.map(({ item }) => item),
            this.#signal,
          );
    const results = whole.map((each, index) => ({ ...each, outcome: outcomes[index] as ItemOutcome }));
    this.#count({ read: page.length, unchanged: page.filter((item) => !isNews(item)).length });
    for (const { outcome } of results) this.#countOutcome(outcome);
    this.#count({ failed: results.filter(isStoredInPart).length });
    await this.#keep(page, results, known);
    return news.length;
  }

  async #completed(items: readonly SourceItem[]): Promise<readonly CompletedItem[]> {
    const { dryRun = false, inFlightMax = 10 } = this.#options;
    if (dryRun) return items.map((item) => ({ item, lost: null }));
    return await completed(this.#parts.source, items, inFlightMax, this.#signal);
  }

  get #stored(): number {
    const { created, updated, erased, failed } = this.#counts;
    return created + updated + erased + failed;
  }

  async #keep(
    page: readonly SourceItem[],
    results: readonly ItemResult[],
    known: ReadonlyMap<string, KnownItem>,
  ): Promise<void> {
    this.#parts.onProgress?.(this.#counts);
    if (this.#options.dryRun === true) return;
    const dealtWith = new Map(results.map((result) => [result.item.id, result]));
    const items: KnownItem[] = [];
    for (const item of page) {
      const result = dealtWith.get(item.id);
      const before = known.get(item.id);
      if (result === undefined && before === undefined) continue; // Beyond the limit.
      items.push(
        result === undefined
          ? { ...(before as KnownItem), memoryId: item.memoryId, seenIn: this.#begun.id }
          : knownAfter(result, item, this.#begun.id),
      );
    }
    const at = (this.#parts.now ?? Date.now)();
    await this.#parts.state.checkpoint({
      run: this.#record,
      items,
      ...lettersAndSettled(results, at),
    });
  }

  /** @returns why nothing was deleted, or null. */
  async #removeMissing(): Promise<string | null> {
    const { source, state, target } = this.#parts;
    const found = await missingItems(
      {
        source,
        state,
        runId: this.#begun.id,
        seen: this.#seen,
        allowMassDelete: this.#options.allowMassDelete === true,
      },
      this.#signal,
    );
    for (let at = 0; at < found.missing.length; at += PAGE_SIZE) {
      const page = found.missing.slice(at, at + PAGE_SIZE);
      if (this.#options.dryRun !== true)
        await target.delete(
          page.map(({ memoryId }) => memoryId),
          this.#signal,
        );
      this.#count({ deleted: page.length });
      if (this.#options.dryRun === true) continue;
      const items = page.map((item): KnownItem => ({ ...item, seenIn: this.#begun.id, state: "deleted" }));
      await state.checkpoint({ run: this.#record, items, deadLetters: [], settled: page.map(({ id }) => id) });
    }
    return found.stopped;
  }

  get #record(): RunRecord {
    return { ...this.#begun, counts: this.#counts, cursorBefore: this.#cursorBefore, cursorAfter: this.cursorAfter };
  }

  #countOutcome({ outcome }: ItemOutcome): void {
    this.#count({ [outcome === "refused" ? "failed" : outcome]: 1 });
  }

  #count(more: Partial<RunCounts>): void {
    this.#counts = addedCounts(this.#counts, more);
  }
}

/** No store keeps NUL or half a character in a text, nor a key of any length. One such id would fail the whole page. */
function isKeepable({ id, memoryId }: SourceItem): boolean {
  const isText = [id, memoryId].every((text) => text !== "" && !text.includes("\0") && text.isWellFormed());
  return isText && Buffer.byteLength(id) <= ID_BYTES_MAX;
}
