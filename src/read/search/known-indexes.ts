import type { FindLedger } from "../../ledger/find-ledger.ts";
import type { FoundIndexes } from "../../ledger/optional-indexes.ts";

/** Milliseconds for which an answer counts: another process may make an index, or drop one. */
const KNOWN_MS = 30_000;

/** Which optional indexes the ledger has. */
export class KnownIndexes {
  readonly #ledger: Pick<FindLedger, "findIndexes">;
  readonly #now: () => number;
  #known: { readonly found: FoundIndexes; readonly until: number } | null = null;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(ledger: Pick<FindLedger, "findIndexes">, now: () => number) {
    this.#ledger = ledger;
    this.#now = now;
  }

  /** As of some seconds ago. */
  async read(signal: AbortSignal): Promise<FoundIndexes> {
    if (this.#known !== null && this.#now() < this.#known.until) return this.#known.found;
    return await this.readNow(signal);
  }

  async readNow(signal: AbortSignal): Promise<FoundIndexes> {
    const found = await this.#ledger.findIndexes(signal);
    this.#known = { found, until: this.#now() + KNOWN_MS };
    return found;
  }
}
