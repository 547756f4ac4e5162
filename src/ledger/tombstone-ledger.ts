import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import { pruneTombstones } from "./tombstone-statements.ts";

const Statements = bindStatements({ pruneTombstones });

/** Forgets memories that ended long ago. */
export class TombstoneLedger extends Statements {
  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    super(new LedgerCalls(postgres, options.callTimeoutMs));
  }
}
