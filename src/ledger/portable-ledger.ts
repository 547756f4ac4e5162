import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import * as portable from "./portable-statements.ts";

const Statements = bindStatements({ readPage: portable.readPortablePage, addHistory: portable.addHistory });

/** Pages for exports, and the history that an import adds; the memories of an import go the way of every write. */
export class PortableLedger extends Statements {
  /** @param options `callTimeoutMs`: milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    super(new LedgerCalls(postgres, options.callTimeoutMs));
  }
}
