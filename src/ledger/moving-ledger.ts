import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import * as moved from "./moved-bodies.ts";

const Statements = bindStatements({
  moveBatch: moved.moveBatch,
  countUnmoved: moved.countUnmoved,
  needsMoving: moved.needsMoving,
  replaceFeedIndex: moved.replaceFeedIndex,
});

/** The ledger's side of the job that moves what stands in the tables of before migration 19. */
export class MovingLedger extends Statements {
  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    super(new LedgerCalls(postgres, options.callTimeoutMs));
  }
}
