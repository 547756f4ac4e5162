import { StoreRefusedError, StoreUnavailableError } from "../../../domain/errors.ts";
import { onAbort } from "../../../runtime/on-abort.ts";
import type { SearchHit } from "../protocol/search-hit.ts";
import { abortError } from "./abort-error.ts";

/** Concurrent calls: the host answers one while the next already waits there. Later searches join the next batch. */
const IN_FLIGHT_MAX = 2;
const QUERIES_MAX = 64;
/** From this many searches on, while the host rests, they go in two calls: the hits of one are read while it answers the other. */
const SPLIT_MIN = 32;
/** Hits per call, so that no large answer delays other calls. */
const HITS_MAX = 20_000;

interface Waiting {
  readonly vector: Float32Array;
  readonly k: number;
  resolve(hits: SearchHit[]): void;
  reject(error: Error): void;
}

/** Searches several vectors at once: one list of hits for each. */
export type SearchMany = (namespace: string, queries: Float32Array, k: number) => Promise<SearchHit[][]>;

/**
 * Batches concurrent searches into one call: FAISS compares twenty queries together in a third of the time that they take
 * one by one. Searches are sent when the turn of the event loop ends in which they came: none waits for a batch to fill.
 */
export class SearchGatherer {
  readonly #send: SearchMany;
  readonly #waitingMax: number;
  /** Waiting searches by namespace and order of magnitude of k, in order of arrival. */
  readonly #groups = new Map<string, { namespace: string; waiting: Waiting[] }>();
  #waiting = 0;
  #inFlight = 0;
  #isFlushPlanned = false;

  constructor(send: SearchMany, waitingMax: number) {
    this.#send = send;
    this.#waitingMax = waitingMax;
  }

  /** @throws {StoreUnavailableError} {AbortedError} */
  search(namespace: string, vector: Float32Array, k: number, signal: AbortSignal): Promise<SearchHit[]> {
    return new Promise((resolve, reject) => {
      // Reject only after a turn of the event loop, because of callers that retry in a tight loop: see `HostConnection.request`.
      if (signal.aborted) return void setImmediate(reject, abortError("search", signal));
      if (this.#waiting >= this.#waitingMax) this.#flush(); // Those of this turn may go already.
      if (this.#waiting >= this.#waitingMax) {
        const refusal = new StoreUnavailableError("faiss", `${this.#waiting} searches wait for its host already`);
        return void setImmediate(reject, refusal);
      }
      const key = `${Math.ceil(Math.log2(k))}/${namespace}`;
      const group = this.#groups.get(key) ?? { namespace, waiting: [] };
      this.#groups.set(key, group);
      const giveUp = (): void => {
        const position = group.waiting.indexOf(waiting);
        if (position >= 0) {
          group.waiting.splice(position, 1);
          this.#waiting--;
          if (group.waiting.length === 0) this.#groups.delete(key);
        }
        waiting.reject(abortError("search", signal));
      };
      const forget = onAbort(signal, giveUp);
      const waiting: Waiting = {
        vector,
        k,
        resolve: (hits) => {
          forget();
          resolve(hits);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      group.waiting.push(waiting);
      this.#waiting++;
      this.#planFlush();
    });
  }

  /** Callers whose searches were answered together come with their next ones in one turn. */
  #planFlush(): void {
    if (this.#isFlushPlanned || this.#inFlight >= IN_FLIGHT_MAX) return;
    this.#isFlushPlanned = true;
    process.nextTick(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#inFlight < IN_FLIGHT_MAX) {
      const [next] = this.#groups;
      if (next === undefined) return;
      const [key, { namespace, waiting }] = next;
      const share =
        this.#inFlight === 0 && waiting.length >= SPLIT_MIN ? Math.ceil(waiting.length / 2) : waiting.length;
      const queriesMax = Math.min(QUERIES_MAX, share);
      const k = Math.max(...waiting.slice(0, queriesMax).map((search) => search.k));
      const taken = waiting.splice(0, Math.min(queriesMax, Math.max(1, Math.floor(HITS_MAX / k))));
      this.#groups.delete(key); // The rest of the group queues behind the other groups.
      if (waiting.length > 0) this.#groups.set(key, next[1]);
      this.#waiting -= taken.length;
      void this.#run(namespace, taken, k);
    }
  }

  async #runEach(namespace: string, searches: readonly Waiting[]): Promise<void> {
    for (const { vector, k, resolve, reject } of searches) {
      await this.#send(namespace, vector, k).then(([hits = []]) => resolve(hits), reject);
    }
  }

  async #run(namespace: string, taken: readonly Waiting[], k: number): Promise<void> {
    this.#inFlight++;
    try {
      const dimension = taken[0]?.vector.length ?? 0;
      const queries = new Float32Array(taken.length * dimension);
      for (const [row, { vector }] of taken.entries()) queries.set(vector, row * dimension);
      const found = await this.#send(namespace, queries, k);
      for (const [row, search] of taken.entries()) search.resolve((found[row] ?? []).slice(0, search.k));
    } catch (error) {
      // The host refuses a call as a whole. Alone, each search is answered or refused for what it is itself.
      if (error instanceof StoreRefusedError && taken.length > 1) await this.#runEach(namespace, taken);
      else for (const search of taken) search.reject(error as Error);
    } finally {
      this.#inFlight--;
      this.#planFlush();
    }
  }
}
