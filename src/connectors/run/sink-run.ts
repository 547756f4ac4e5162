import { MnemosyncError, NotFoundError, shortened } from "../../domain/errors.ts";
import { backoffCeilingMs } from "../../runtime/backoff.ts";
import { pause as timer } from "../../runtime/deadline.ts";
import { newUlid } from "../../runtime/ulid.ts";
import { ServiceError } from "../service/service-error.ts";
import type { SentRecord } from "../state/sink-state.ts";
import type { RunCounts, RunRecord } from "../state/state.ts";
import { assertOption } from "./assert-option.ts";
import { freeName, namesOf } from "./free-name.ts";
import { addedCounts, errorOfRun, newRun, REASON_LENGTH_MAX, type RunRefused } from "./run-record.ts";
import { changedRecord, endedRecord, givenRecord, queuedAgain, refusedRecord, settledRecord } from "./sent-records.ts";
import type { SinkRunOptions, SinkRunParts } from "./sink-run-options.ts";
import { hashOfText } from "./transform.ts";

const PAGE_SIZE = 100;
/** Pauses while nothing moves: the service works. */
const IDLE = { baseMs: 250, maxMs: 5_000 };
/** Rounds in which nothing moves, two minutes in all, after which a version that the ledger lacks is waited for no longer. */
const LACKING_ROUNDS_MAX = 30;
/** Pauses after failures that pass. */
const FAILED = { baseMs: 1_000, maxMs: 60_000 };

/**
 * One run of a sink: reads what has changed, sends what is new, looks after what was sent until it is delivered, and removes
 * what has ended. The feed says which memories changed; what is sent is read when it is sent, and `full` memories only. It ends
 * when the service has all that the feed had told by then.
 * @returns the run as the log keeps it; it does not reject for a failure of the service or of the feed.
 * @throws {ValidationError} An option is out of its bounds: nothing was begun.
 */
export async function runSink(
  parts: SinkRunParts,
  options: SinkRunOptions,
  signal: AbortSignal,
): Promise<RunRecord | RunRefused> {
  assertOption("inFlightMax", options.inFlightMax, 1, 1_000);
  assertOption("failuresMax", options.failuresMax, 1);
  const now = parts.now ?? Date.now;
  const { fromStart = false } = options;
  const begun = parts.begun ?? newRun(fromStart ? "full" : "changes", now());
  const refused = await parts.state.begin(begun);
  if (refused !== null) return refused;
  // Read once the connector is taken: another process may have moved them until then.
  const kept = { cursor: await parts.state.cursor(), reading: await parts.state.reading() };
  // A reading that this run has begun before its process was lost goes on.
  const place = fromStart && kept.reading !== begun.id ? { cursor: null, reading: null } : kept;
  const ended = { ...(await new SinkRun(parts, options, begun, place, signal).work()), endedAt: now() };
  await parts.state.end(ended);
  return ended;
}

class SinkRun {
  readonly #parts: SinkRunParts;
  readonly #options: SinkRunOptions;
  readonly #begun: RunRecord;
  readonly #signal: AbortSignal;
  #cursor: string | null;
  #counts: RunCounts;
  readonly #cursorBefore: string | null;
  /**
   * Names the reading of the whole feed that is under way, over runs if need be: what it does not name in the end has ended.
   * Null: the feed is read on.
   */
  #reading: string | null;
  /** Behind: the ledger went back, or a copy of it lags: it has an older version than this feed told of. It is read on at once. */
  #unread: "some" | "behind" | "none" = "some";
  /** A memory whose version the feed told of and the ledger lacks, in the last round that delivered. */
  #lacking: SentRecord | null = null;

  constructor(
    parts: SinkRunParts,
    options: SinkRunOptions,
    begun: RunRecord,
    { cursor, reading }: { readonly cursor: string | null; readonly reading: string | null },
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#begun = begun;
    this.#counts = begun.counts;
    this.#cursor = cursor;
    this.#cursorBefore = cursor;
    this.#reading = cursor === null ? begun.id : reading;
    this.#signal = signal;
  }

  async work(): Promise<RunRecord> {
    const { pause = timer } = this.#parts;
    const { failuresMax = 10 } = this.#options;
    let isReconciled = false;
    let failures = 0;
    let idle = 0;
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        try {
          if (!isReconciled) await this.#reconcile();
          isReconciled = true;
          const moved = await this.#round();
          failures = 0;
          if (moved === "done") break;
          idle = moved === "moved" ? 0 : idle + 1;
          if (idle > LACKING_ROUNDS_MAX) await this.#refuseLacking();
          if (idle > 0) await pause(backoffCeilingMs(idle, IDLE), this.#signal);
        } catch (error) {
          if (!(error instanceof ServiceError) || !error.retryable || ++failures >= failuresMax) throw error;
          // The service may have lost what it had: it is compared once it answers again.
          isReconciled = false;
          await pause(Math.max(error.retryAfterMs ?? 0, backoffCeilingMs(failures, FAILED)), this.#signal);
        }
      }
      const state = this.#counts.failed > 0 ? "partial" : "succeeded";
      return { ...this.#record, state };
    } catch (error) {
      if (this.#signal.aborted) return { ...this.#record, state: "cancelled" };
      return { ...this.#record, state: "failed", error: errorOfRun(error) };
    }
  }

  /** What counts as delivered and is not there any more is sent again. */
  async #reconcile(): Promise<void> {
    const { state, sink } = this.#parts;
    const delivered = await state.inState("delivered", Number.POSITIVE_INFINITY);
    const names = delivered.map(({ name }) => name).filter((name) => name !== null);
    const present = await sink.present(names, this.#signal);
    const lost = delivered.filter(({ name }) => name !== null && !present.has(name));
    if (lost.length > 0) await this.#keep(lost.map(queuedAgain));
  }

  async #round(): Promise<"moved" | "idle" | "done"> {
    const isRead = await this.#readPage();
    const sent = await this.#deliver();
    const settled = await this.#settle();
    const removed = await this.#remove();
    this.#parts.onProgress?.(this.#counts);
    if (isRead || sent + settled + removed > 0) return "moved";
    return (await this.#isOpen()) ? "idle" : "done";
  }

  async #isOpen(): Promise<boolean> {
    const { state } = this.#parts;
    if (this.#unread !== "none") return true;
    const open = [await state.inState("queued", 1), await state.inState("sent", 1), await state.withDoomed(1)];
    return open.some(({ length }) => length > 0);
  }

  /** @throws {NotFoundError} Nothing is left to wait for but a version that the ledger lacks. */
  async #refuseLacking(): Promise<void> {
    if (this.#lacking === null) return;
    const { state } = this.#parts;
    if ((await state.inState("sent", 1)).length + (await state.withDoomed(1)).length > 0) return;
    const { namespace, memoryId, wanted, version } = this.#lacking;
    const told = `the feed told of version ${wanted} of memory ${namespace}/${memoryId}, and the ledger has version ${version}`;
    throw new NotFoundError(`${told}: it was not sent; run again, from the start of the feed where this stays so`);
  }

  /** @returns whether a page was read that told of something. */
  async #readPage(): Promise<boolean> {
    const { feed, state } = this.#parts;
    const queued = await state.inState("queued", PAGE_SIZE);
    if (this.#unread === "none" || (this.#unread === "some" && queued.length >= PAGE_SIZE)) return false;
    const { namespaces, where } = this.#options;
    const place = this.#cursor === null ? {} : { cursor: this.#cursor };
    const page = await feed
      .readChanges({ ...place, namespaces, where, limit: PAGE_SIZE, signal: this.#signal })
      .catch((error: unknown) => {
        if (error instanceof MnemosyncError && error.code === "EPOCH_CHANGED") return null;
        throw error;
      });
    if (page === null) {
      // The ledger went back: everything is read and compared, and what it does not name any more is removed.
      this.#cursor = null;
      this.#reading = newUlid();
      return true;
    }
    const records: SentRecord[] = [];
    for (const event of page.events) {
      const before = await state.record(event);
      records.push(
        event.kind === "put"
          ? changedRecord(before, event, this.#seenIn, this.#reading !== null)
          : endedRecord(before, event, this.#seenIn),
      );
    }
    this.#count({ read: page.events.length });
    this.#cursor = page.cursor;
    this.#unread = page.complete ? "none" : "some";
    await this.#keep(records, page.cursor);
    if (page.complete && this.#reading !== null) await this.#endUnseen(this.#reading);
    return page.events.length > 0 || !page.complete;
  }

  async #endUnseen(reading: string): Promise<void> {
    const { state } = this.#parts;
    for (;;) {
      const unseen = await state.unseen(reading, PAGE_SIZE);
      if (unseen.length === 0) break;
      await this.#keep(unseen.map((record) => endedRecord(record, record, reading)));
    }
    this.#reading = null;
    await this.#keep([]);
  }

  /** What records that are seen now are marked with. */
  get #seenIn(): string {
    return this.#reading ?? this.#begun.id;
  }

  /** @returns how many records moved. */
  async #deliver(): Promise<number> {
    const { state } = this.#parts;
    const { inFlightMax = 100 } = this.#options;
    const sent = await state.inState("sent", inFlightMax);
    let moved = 0;
    this.#lacking = null;
    for (const record of await state.inState("queued", inFlightMax - sent.length)) {
      this.#signal.throwIfAborted();
      const next = await this.#delivered(record);
      if (next === null) break; // The service takes no texts now.
      await this.#keep([next]);
      if (next.state !== "queued") moved++;
    }
    return moved;
  }

  /** The record once its text is sent, or need not be; null: later. */
  async #delivered(record: SentRecord): Promise<SentRecord | null> {
    const { feed, sink, transform } = this.#parts;
    const memory = await feed.get(record.memoryId, { namespace: record.namespace, signal: this.#signal });
    if (memory === null || memory.privacy !== "full") return endedRecord(record, record, this.#seenIn);
    if (memory.version < record.wanted) {
      this.#unread = "behind";
      this.#lacking ??= { ...record, version: memory.version };
      return record;
    }
    const key = { ...record, version: memory.version };
    const body = transform.textOf({ ...memory, memoryId: record.memoryId });
    const hash = hashOfText(transform, body);
    if (record.hash === hash && record.name !== null) {
      this.#count({ unchanged: 1 });
      return { ...record, version: memory.version, wanted: memory.version, state: "delivered" };
    }
    const names = namesOf(sink, key, hash);
    const name = freeName(record, names);
    if (name === null) return record; // Once that is removed.
    try {
      const text = sink.textOf(key, body);
      if (text === null) return endedRecord(record, key, this.#seenIn);
      const delivery = await sink.deliver({ name, text }, this.#signal);
      return givenRecord(record, { version: memory.version, hash, name, names }, delivery);
    } catch (error) {
      if (!(error instanceof ServiceError) || error.failure !== "permanent") throw error;
      this.#count({ failed: 1 });
      return refusedRecord(record, memory.version, shortened(error.message, REASON_LENGTH_MAX));
    }
  }

  /** @returns how many records moved. */
  async #settle(): Promise<number> {
    const { state, sink } = this.#parts;
    const sent = await state.inState("sent", this.#options.inFlightMax ?? 100);
    if (sent.length === 0) return 0;
    const settled = await sink.settle(
      sent.map(({ receipt }) => receipt),
      this.#signal,
    );
    const records = sent.map((record, index) => settledRecord(record, settled[index] ?? { outcome: "lost" }));
    for (const [index, { state: now }] of records.entries()) {
      if (now === "failed") this.#count({ failed: 1 });
      if (now === "delivered") this.#count(sent[index]?.old.length === 0 ? { created: 1 } : { updated: 1 });
    }
    await this.#keep(records);
    return records.filter(({ state: now }) => now !== "sent").length;
  }

  /** @returns how many records have nothing left to remove. */
  async #remove(): Promise<number> {
    const { state, sink } = this.#parts;
    const records = await state.withDoomed(PAGE_SIZE);
    if (records.length === 0) return 0;
    const names = records.flatMap(({ doomed }) => doomed);
    const left = new Set(await sink.remove(names, this.#signal));
    const cleared = records.map((record) => ({ ...record, doomed: record.doomed.filter((name) => left.has(name)) }));
    const done = cleared.filter(({ doomed }) => doomed.length === 0);
    this.#count({ deleted: done.filter((record) => record.state === "gone").length });
    if (left.size < names.length) await this.#keep(cleared);
    return done.length;
  }

  async #keep(records: readonly SentRecord[], cursor?: string): Promise<void> {
    await this.#parts.state.checkpoint({ run: this.#record, records, cursor, reading: this.#reading });
  }

  get #record(): RunRecord {
    return { ...this.#begun, counts: this.#counts, cursorBefore: this.#cursorBefore, cursorAfter: this.#cursor };
  }

  #count(more: Partial<RunCounts>): void {
    this.#counts = addedCounts(this.#counts, more);
  }
}
