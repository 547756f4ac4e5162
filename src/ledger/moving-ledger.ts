import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import * as moved from "./moved-bodies.ts";

const Statements = bindStatements({
  moveBatch: moved.moveBatch,
  countUnmoved: moved.countUnmoved,
  needsMoving: moved.needsMoving,
});

/** The ledger's side of the job that moves what stands in the tables of before migration 19. */
export class MovingLedger extends Statements {
  readonly #postgres: PostgresAccess;

  /** @param options `callTimeoutMs`: milliseconds that one call may take, but for `replaceFeedIndex`. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    super(new LedgerCalls(postgres, options.callTimeoutMs));
    this.#postgres = postgres;
  }

  /**
   * Takes as long as the building of an index does: on a large ledger no call's time would do, at no attempt. `signal` ends
   * it, that of the job: it fires when the job is cancelled, its node stops, or its lease cannot be renewed.
   */
  async replaceFeedIndex(signal: AbortSignal): Promise<void> {
    await this.#postgres.use(signal, ({ sql }) => moved.replaceFeedIndex(sql));
  }
}
