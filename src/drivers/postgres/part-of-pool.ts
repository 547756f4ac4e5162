import { QueueFullError } from "../../domain/errors.ts";
import { storeAbortError } from "../../runtime/deadline.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import type { PostgresAccess, PostgresConnection } from "./postgres-access.ts";

/**
 * A part of a pool's connections for work that may be expensive: the others are left to what must not wait for it. Callers beyond
 * the part wait, first come first served, until their own deadline. Not a p-queue: it listens to each call's signal by itself,
 * and calls share signals.
 */
export class PartOfPool implements Pick<PostgresAccess, "use"> {
  readonly #postgres: Pick<PostgresAccess, "use">;
  readonly #connectionsMax: number;
  readonly #waitingMax: number;
  /** Calls that have a place of the part. */
  #running = 0;
  /** In the order of their coming. Each takes the place of a call that has ended. */
  readonly #waiters = new Set<() => void>();

  /** @param limits.connectionsMax connections at a time. @param limits.waitingMax callers that may wait; more are refused. */
  constructor(
    postgres: Pick<PostgresAccess, "use">,
    { connectionsMax, waitingMax }: { connectionsMax: number; waitingMax: number },
  ) {
    this.#postgres = postgres;
    this.#connectionsMax = connectionsMax;
    this.#waitingMax = waitingMax;
  }

  /** @throws {QueueFullError} {StoreUnavailableError} {StoreRefusedError} {AbortedError} */
  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    if (this.#running < this.#connectionsMax) this.#running++;
    else await this.#place(signal);
    try {
      return await this.#postgres.use(signal, work);
    } finally {
      this.#leave();
    }
  }

  #place(signal: AbortSignal): Promise<void> {
    const { size } = this.#waiters;
    if (size >= this.#waitingMax) {
      const message = `${size} lists, counts and searches wait for a connection already, which is the limit: slow down`;
      throw new QueueFullError(size, this.#waitingMax, message);
    }
    if (signal.aborted) throw storeAbortError("postgres", signal);
    return new Promise((resolve, reject) => {
      const take = (): void => {
        forget();
        resolve();
      };
      const forget = onAbort(signal, () => {
        this.#waiters.delete(take);
        reject(storeAbortError("postgres", signal));
      });
      this.#waiters.add(take);
    });
  }

  #leave(): void {
    const [next] = this.#waiters;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#waiters.delete(next);
    next();
  }
}
