import { describe } from "vitest";
import { describeChecks } from "./ledger-checks.ts";
import { describeFlight } from "./ledger-flight.ts";
import { describeQueue } from "./ledger-queue.ts";
import { describeReading } from "./ledger-reading.ts";
import { LedgerUnderTest, type OpenLedger } from "./ledger-suite.ts";
import { describeTransactions } from "./ledger-transactions.ts";

/** What `LedgerStore` (src/ledger/ledger.ts) promises, for the real one and for its stand-in in property tests. */
export function describeLedger(name: string, open: () => Promise<OpenLedger>): void {
  describe(`a ledger (${name})`, () => {
    const subject = new LedgerUnderTest(open);
    describeTransactions(subject);
    describeFlight(subject);
    describeReading(subject);
    describeQueue(subject);
    describeChecks(subject);
  });
}
