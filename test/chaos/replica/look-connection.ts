import postgres from "postgres";
import { untilAborted, withDeadline } from "../../../src/runtime/deadline.ts";

/** Milliseconds that an answer may take: either side stays away for some seconds, and a look takes one. */
const ANSWER_MS = 30_000;
/** Milliseconds that closing may take. */
const CLOSE_MS = 5_000;

/**
 * A connection for looks into a database, past the program. A query of which the driver lost the answer may never settle, nor does
 * `end` with it: after a deadline it is asked again, over a connection of its own. So nothing is passed over but what a later look sees.
 */
export class LookConnection {
  /** Questions that were asked again. */
  repeated = 0;
  readonly #url: string;
  readonly #answerMs: number;
  #sql: postgres.Sql;

  constructor(url: string, answerMs: number = ANSWER_MS) {
    this.#url = url;
    this.#answerMs = answerMs;
    this.#sql = connectionTo(url);
  }

  /**
   * @param question must only read.
   * @throws {TimeoutError} A `DOMException`: the second connection had no answer either. @throws what the database answers.
   */
  async ask<T>(question: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    try {
      return await this.#askOnce(question);
    } catch (error) {
      if (!isLate(error)) throw error;
      this.repeated++;
      return await this.#askOnce(question);
    }
  }

  async close(): Promise<void> {
    await ended(this.#sql);
  }

  async #askOnce<T>(question: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    const sql = this.#sql;
    try {
      return await within(this.#answerMs, question(sql));
    } catch (error) {
      if (isLate(error)) {
        this.#sql = connectionTo(this.#url);
        void ended(sql);
      }
      throw error;
    }
  }
}

/** As `promise`; it goes on where it is late. @throws {TimeoutError} A `DOMException`. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  return await withDeadline(milliseconds, undefined, (signal) => untilAborted(promise, signal));
}

/** Whether `within` was over. */
export function isLate(error: unknown): boolean {
  return (error as Error).name === "TimeoutError";
}

/** Never rejects: nothing is asked any more. */
export async function ended(sql: postgres.Sql): Promise<void> {
  await within(CLOSE_MS, sql.end({ timeout: 1 })).catch(() => undefined);
}

function connectionTo(url: string): postgres.Sql {
  return postgres(url, {
    ...{ max: 1, connect_timeout: 2, idle_timeout: 2, onnotice: () => undefined },
    // A connection that ends while the driver asks for types by itself would end this process.
    fetch_types: false,
  });
}
