import PQueue from "p-queue";
import { AbortedError, ClosedError, InternalError, QueueFullError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import { isTimeout } from "../runtime/deadline.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { SyncOutcome } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";
import type { WriteIntent } from "./plan.ts";
import { WRITE_DEFAULTS } from "./settings.ts";
import type { ChunkOptions, Writer } from "./writer.ts";

export interface BatcherOptions {
  /** Memories per transaction, at most. @default 100 */
  batchSize?: number;
  /** Transactions at a time. @default 4 */
  concurrency?: number;
  /** Memories that may wait for their transaction; beyond it callers wait for a place. @default 10_000 */
  waitingMax?: number;
}

/**
 * Memories of each part, at least, where less than a full chunk is divided. 256 callers wrote a third more in three parts than
 * in one; in four parts the transactions' own work, as much as that of 20 memories each, cost what was gained.
 */
const DIVIDED_MIN = 80;

interface Request {
  /** Names its line. */
  readonly text: string;
  readonly intent: WriteIntent;
  readonly signal: AbortSignal | undefined;
  settle(outcome: SyncOutcome): void;
}

/**
 * Gathers concurrent writes into chunks (group commit), so that many callers cost a few transactions.
 *
 * Each memory has a queue of its requests, its line. `#ready` holds the memories whose line is not empty and that no
 * running chunk holds, in order of arrival. A chunk takes the first request of each ready line. So the writes of one memory
 * keep their order, and a hot memory does not delay the others.
 */
export class Batcher {
  readonly #writer: Pick<Writer, "write">;
  readonly #outcomes: Outcomes;
  readonly #options: Required<BatcherOptions>;
  readonly #chunks: PQueue;
  readonly #lines = new Map<string, Request[]>();
  readonly #ready = new Set<string>();
  readonly #placeWaiters: (() => void)[] = [];
  #waiting = 0;
  #pumpPlanned = false;
  #closed = false;

  constructor(writer: Pick<Writer, "write">, outcomes: Outcomes, options: BatcherOptions = {}) {
    this.#writer = writer;
    this.#outcomes = outcomes;
    const { batchSize, writeConcurrency: concurrency, writeWaitingMax: waitingMax } = WRITE_DEFAULTS;
    this.#options = { batchSize, concurrency, waitingMax, ...options };
    this.#chunks = new PQueue({ concurrency: this.#options.concurrency });
  }

  /** Memories that wait for their transaction. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Writes one memory as part of a chunk. Resolves with its outcome; a failure to write is an outcome.
   * @param wait whether to wait for a place when the queue is full.
   * @throws {QueueFullError} The queue is full and `wait` is false. @throws {ClosedError}
   * @throws {AbortedError} `signal` fired before its chunk began: nothing was written. Later the write cannot be undone,
   *   and its outcome is awaited.
   */
  write(intent: WriteIntent, wait: boolean, signal?: AbortSignal): Promise<SyncOutcome> {
    const hasPlace = !this.#closed && !signal?.aborted && this.#waiting < this.#options.waitingMax;
    if (!hasPlace) return this.#writeOncePlaced(intent, wait, signal);
    this.#waiting++;
    return new Promise((resolve) => this.#enqueue(intent, signal, resolve));
  }

  async #writeOncePlaced(intent: WriteIntent, wait: boolean, signal?: AbortSignal): Promise<SyncOutcome> {
    await this.#place(wait, signal);
    return await new Promise((resolve) => this.#enqueue(intent, signal, resolve));
  }

  /**
   * Writes many memories, each as part of some chunk; waits for places. One outcome per intent, in order: a promise for
   * all of them costs less than one for each.
   * @throws {ClosedError}
   */
  async writeMany(intents: readonly WriteIntent[], signal?: AbortSignal): Promise<SyncOutcome[]> {
    const outcomes = new Array<SyncOutcome>(intents.length);
    let missing = intents.length;
    let allSettled = (): void => undefined;
    for (const [index, intent] of intents.entries()) {
      const settle = (outcome: SyncOutcome): void => {
        outcomes[index] = outcome;
        if (--missing === 0) allSettled();
      };
      try {
        if (this.#isOpen(signal) && this.#waiting < this.#options.waitingMax) this.#waiting++;
        else await this.#place(true, signal);
      } catch (error) {
        if (!(error instanceof AbortedError)) throw error;
        settle(this.#outcomes.failed(intent.key, error));
        continue;
      }
      this.#enqueue(intent, signal, settle);
    }
    if (missing > 0) await new Promise<void>((resolve) => (allSettled = resolve));
    return outcomes;
  }

  #enqueue(intent: WriteIntent, signal: AbortSignal | undefined, settle: Request["settle"]): void {
    const text = keyText(intent.key);
    const request = { text, intent, signal, settle };
    const line = this.#lines.get(text);
    if (line === undefined) {
      this.#lines.set(text, [request]);
      this.#ready.add(text);
    } else {
      line.push(request);
    }
    this.#planPump();
  }

  /**
   * Writes distinct memories as a transaction of their own, in its turn among the chunks. Their order relative to single
   * writes of the same memories is that of the transactions.
   * @throws as `write` does.
   */
  async writeTogether(
    intents: readonly WriteIntent[],
    options: ChunkOptions,
    wait: boolean,
    signal?: AbortSignal,
  ): Promise<SyncOutcome[]> {
    await this.#place(wait, signal);
    return await this.#chunks.add(async () => {
      this.#leave();
      try {
        if (signal?.aborted) throw notStarted(signal);
        return await this.#writer.write(intents, options);
      } finally {
        // No chunk was started for single writes that arrived while such transactions took all places.
        if (this.#ready.size > 0) this.#planPump();
      }
    });
  }

  /** Accepts no more writes; resolves once all accepted writes are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#placeWaiters.splice(0)) waiter();
    while (this.#waiting > 0 || this.#chunks.pending > 0 || this.#chunks.size > 0) {
      this.#pump();
      await this.#chunks.onIdle();
    }
  }

  async #place(wait: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { waitingMax } = this.#options;
    while (this.#isOpen(signal)) {
      if (this.#waiting < waitingMax) break;
      if (!wait) throw new QueueFullError(this.#waiting, waitingMax);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          forget?.();
          const index = this.#placeWaiters.indexOf(done);
          if (index >= 0) this.#placeWaiters.splice(index, 1);
          resolve();
        };
        this.#placeWaiters.push(done);
        const forget = signal && onAbort(signal, done);
      });
    }
    this.#waiting++;
  }

  /** @throws {ClosedError} {AbortedError} Waiting for a place is useless. */
  #isOpen(signal: AbortSignal | undefined): true {
    if (this.#closed) throw new ClosedError("the synchronizer");
    if (signal?.aborted) throw notStarted(signal);
    return true;
  }

  /** Cuts chunks after the current turn of the event loop, so that calls made together share a transaction. */
  #planPump(): void {
    if (this.#pumpPlanned) return;
    this.#pumpPlanned = true;
    setImmediate(() => {
      this.#pumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    const free = this.#options.concurrency - this.#chunks.pending - this.#chunks.size;
    const { batchSize } = this.#options;
    const ready = this.#ready.size;
    // Less than a full chunk is divided where that is worth its transactions: callers who wait for their answers before they
    // go on would otherwise all be in one chunk, and the stores would idle while the program works, and the other way round.
    const parts = ready > batchSize ? Math.ceil(ready / batchSize) : Math.max(1, Math.floor(ready / DIVIDED_MIN));
    const useful = Math.min(free, ready === batchSize ? 1 : parts);
    const size = ready < batchSize ? Math.ceil(ready / useful) : batchSize;
    for (let started = 0; started < useful; started++) void this.#chunks.add(() => this.#runChunk(size));
  }

  async #runChunk(size: number): Promise<void> {
    const requests = this.#takeChunk(size);
    if (requests.length > 0) {
      const outcomes = await this.#write(requests);
      requests.forEach((request, index) => {
        request.settle(outcomes[index] as SyncOutcome);
      });
      for (const { text } of requests) this.#advanceLine(text);
    }
    if (this.#ready.size > 0) this.#planPump();
  }

  /** The writer never rejects. If a defect makes it reject, no caller may be left waiting. */
  async #write(requests: readonly Request[]): Promise<SyncOutcome[]> {
    try {
      return await this.#writer.write(requests.map((request) => request.intent));
    } catch (error) {
      const defect = new InternalError(`the writer failed: ${String(error)}`, { cause: error });
      return requests.map((request) => this.#outcomes.failed(request.intent.key, defect));
    }
  }

  #takeChunk(size: number): Request[] {
    const requests: Request[] = [];
    for (const text of this.#ready) {
      if (requests.length === size) break;
      const line = this.#lines.get(text) as Request[];
      while (line[0]?.signal?.aborted) this.#withdraw(line.shift() as Request);
      const first = line[0];
      this.#ready.delete(text);
      if (first === undefined) this.#lines.delete(text);
      else {
        requests.push(first);
        this.#leave();
      }
    }
    return requests;
  }

  /** The first request of the line is settled: the next one may go into a chunk. */
  #advanceLine(text: string): void {
    const line = this.#lines.get(text) as Request[];
    line.shift();
    if (line.length === 0) this.#lines.delete(text);
    else this.#ready.add(text);
  }

  #withdraw(request: Request): void {
    this.#leave();
    request.settle(this.#outcomes.failed(request.intent.key, notStarted(request.signal as AbortSignal)));
  }

  #leave(): void {
    this.#waiting--;
    this.#placeWaiters.shift()?.();
  }
}

function notStarted(signal: AbortSignal): AbortedError {
  return new AbortedError(
    isTimeout(signal) ? "a write that had not begun (its time was up)" : "a write that had not begun",
    {
      cause: signal.reason,
    },
  );
}
