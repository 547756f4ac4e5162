import { keyText } from "../../src/domain/keys.ts";
import { InMemoryLedger } from "../support/in-memory-ledger.ts";
import { LedgerState } from "../support/in-memory-ledger-state.ts";
import { describeLedger } from "./ledger.ts";
import type { OpenLedger } from "./ledger-suite.ts";

/** A new state before each test, behind the same two nodes. */
class Nodes implements OpenLedger {
  state = new LedgerState();
  one = new InMemoryLedger(this.state, "one");
  two = new InMemoryLedger(this.state, "two");

  async damage(...[key, what]: Parameters<OpenLedger["damage"]>): Promise<void> {
    const row = this.state.versions.get(keyText(key));
    if (row === undefined) throw new Error("nothing to damage");
    if (what === "document") row.documentJson = '{"content":"forged"}';
    else if (what === "no document") row.documentJson = null;
    else if (what === "stray document") row.documentJson = "{}";
    else if (row.embedding !== null) row.embedding = row.embedding.map((component) => -component);
  }

  async clear(): Promise<void> {
    this.state = new LedgerState();
    this.one = new InMemoryLedger(this.state, "one");
    this.two = new InMemoryLedger(this.state, "two");
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

describeLedger("in memory", async () => new Nodes());
