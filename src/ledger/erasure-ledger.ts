import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import * as confirmations from "./erasure-confirmation-statements.ts";
import * as erasures from "./erasure-statements.ts";
import * as scrub from "./scrub-statements.ts";
import { listSuppressed } from "./suppressed-statements.ts";

const Statements = bindStatements({
  insertErasure: erasures.insertErasure,
  readErasure: erasures.readErasure,
  readReceipts: erasures.readReceipts,
  listStalledErasures: erasures.listStalledErasures,
  markAttempted: erasures.markAttempted,
  listForErasure: erasures.listForErasure,
  endListing: erasures.endListing,
  listToErase: erasures.listToErase,
  readListed: erasures.readListed,
  markScrubbed: erasures.markScrubbed,
  dropSuppressed: erasures.dropSuppressed,
  registerErasureStores: confirmations.registerErasureStores,
  listUnconfirmed: confirmations.listUnconfirmed,
  confirmErasure: confirmations.confirmErasure,
  scrubMemories: scrub.scrubMemories,
  countContentLeft: scrub.countContentLeft,
  readJobTexts: scrub.readJobTexts,
  replaceJobTexts: scrub.replaceJobTexts,
  readErasedKeys: scrub.readErasedKeys,
  listSuppressed,
});

/** The ledger's side of erasures: receipts, the memories that they cover, and the removal of content. */
export class ErasureLedger extends Statements {
  /** @param callTimeoutMs milliseconds that one call may take. */
  constructor(postgres: PostgresAccess, callTimeoutMs: number) {
    super(new LedgerCalls(postgres, callTimeoutMs));
  }
}
