import type { PostgresAccess, PostgresConnection, Sql } from "../drivers/postgres/postgres-access.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";

/** Runs each piece of work on a connection of the pool and within a deadline. */
export class LedgerCalls {
  readonly #postgres: Pick<PostgresAccess, "use">;
  readonly #callTimeoutMs: number;

  /** @param callTimeoutMs milliseconds that one call may take, waiting for a connection included. */
  constructor(postgres: Pick<PostgresAccess, "use">, callTimeoutMs: number) {
    this.#postgres = postgres;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** @throws {StoreUnavailableError} {StoreRefusedError} */
  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await withSharedDeadline(this.#callTimeoutMs, signal, (deadline) => this.#postgres.use(deadline, work));
  }
}

type Statement = (sql: Sql, ...input: never[]) => Promise<unknown>;

/** The method of a statement: its arguments without the connection, and a signal at the end. */
type Bound<S> = S extends (sql: Sql, ...input: infer Input) => Promise<infer Answer>
  ? (...call: [...input: Input, signal: AbortSignal]) => Promise<Answer>
  : never;

export type BoundStatements<Statements> = { readonly [Name in keyof Statements]: Bound<Statements[Name]> };

/**
 * A class to extend, which has each of `statements` as a method: it runs on a connection of its own and within the
 * deadline of the calls. A statement must not have optional arguments, since the signal follows the last one.
 */
export function bindStatements<const Statements extends Readonly<Record<string, Statement>>>(
  statements: Statements,
): abstract new (
  calls: LedgerCalls,
) => BoundStatements<Statements> {
  abstract class WithStatements {
    readonly #calls: LedgerCalls;

    constructor(calls: LedgerCalls) {
      this.#calls = calls;
    }

    // On the prototype, like every other method: tests that crash a process at a call replace it there.
    static {
      for (const [name, statement] of Object.entries(statements)) {
        const value = function (this: WithStatements, ...call: unknown[]): Promise<unknown> {
          const signal = call.at(-1) as AbortSignal;
          return this.#calls.use(signal, ({ sql }) => statement(sql, ...(call.slice(0, -1) as never[])));
        };
        Object.defineProperty(WithStatements.prototype, name, { value, configurable: true, writable: true });
      }
    }
  }
  return WithStatements as unknown as abstract new (
    calls: LedgerCalls,
  ) => BoundStatements<Statements>;
}
