import type { MemoryKey } from "../domain/keys.ts";
import type { StoredEntry } from "../stores/projection.ts";

/** Keys of one call, at most. A read with more keys is a call of its own. */
const KEYS_MAX = 1_000;

interface Waiting<Answer> {
  readonly count: number;
  resolve(answers: readonly Answer[]): void;
  reject(error: unknown): void;
}

interface Group<Key, Answer> {
  readonly keys: Key[];
  readonly waiting: Waiting<Answer>[];
}

/**
 * Sends the reads that begin in one turn of the event loop as one call: the hits of searches that the index answered together
 * are read by one command. Nothing waits longer for it, as the driver sends no command before the turn ends. Reads share a
 * call only where they share a deadline, so that none of them ends another one.
 */
export class GatheredReads<Key = MemoryKey, Answer = StoredEntry | null> {
  readonly #read: (keys: readonly Key[], signal: AbortSignal) => Promise<readonly Answer[]>;
  readonly #groups = new Map<AbortSignal, Group<Key, Answer>>();

  constructor(read: (keys: readonly Key[], signal: AbortSignal) => Promise<readonly Answer[]>) {
    this.#read = read;
  }

  /** One answer per key, in order. */
  read(keys: readonly Key[], signal: AbortSignal): Promise<readonly Answer[]> {
    return new Promise((resolve, reject) => {
      let group = this.#groups.get(signal);
      if (group !== undefined && group.keys.length + keys.length > KEYS_MAX) {
        void this.#send(signal, group);
        group = undefined;
      }
      if (group === undefined) {
        group = { keys: [], waiting: [] };
        if (this.#groups.size === 0) process.nextTick(this.#sendAll);
        this.#groups.set(signal, group);
      }
      for (const key of keys) group.keys.push(key);
      group.waiting.push({ count: keys.length, resolve, reject });
    });
  }

  readonly #sendAll = (): void => {
    const groups = [...this.#groups];
    this.#groups.clear();
    for (const [signal, group] of groups) void this.#send(signal, group);
  };

  async #send(signal: AbortSignal, { keys, waiting }: Group<Key, Answer>): Promise<void> {
    try {
      const answers = await this.#read(keys, signal);
      let start = 0;
      for (const { count, resolve } of waiting) {
        resolve(waiting.length === 1 ? answers : answers.slice(start, start + count));
        start += count;
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
