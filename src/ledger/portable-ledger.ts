import type { PostgresAccess, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../runtime/deadline.ts";
import * as portable from "./portable-statements.ts";

/** What exports read, and what imports add beside the memories themselves, which go the way of every write. */
export class PortableLedger {
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    this.#postgres = postgres;
    this.#callTimeoutMs = options.callTimeoutMs;
  }

  async readPage(page: portable.PortablePage, signal: AbortSignal): Promise<portable.PortableRow[]> {
    return await this.#connection(signal, ({ sql }) => portable.readPortablePage(sql, page));
  }

  async addHistory(
    versions: readonly portable.ImportedHistory[],
    transactionId: string,
    signal: AbortSignal,
  ): Promise<number> {
    return await this.#connection(signal, ({ sql }) => portable.addHistory(sql, versions, transactionId));
  }

  async #connection<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) => this.#postgres.use(deadline, work));
  }
}
