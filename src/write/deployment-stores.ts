import type { StoreId } from "../domain/store-id.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { RegisteredStore } from "../ledger/store-statements.ts";
import type { StoreRegistry } from "../stores/registry.ts";

/**
 * The shared stores of the deployment, as the ledger's table `stores` has them. A node may run fewer of them than another
 * one, so it queues its writes for the shared stores that it does not run.
 */
export class DeploymentStores {
  readonly #ledger: Pick<LedgerStore, "registerStores" | "listStores">;
  readonly #own: StoreRegistry;
  #known: readonly RegisteredStore[] = [];

  constructor(ledger: Pick<LedgerStore, "registerStores" | "listStores">, own: StoreRegistry) {
    this.#ledger = ledger;
    this.#own = own;
  }

  /** Makes this node's shared stores known to all. Twice is once. @throws {StoreUnavailableError} */
  async register(signal: AbortSignal): Promise<void> {
    const shared = this.#own.projections.filter(({ traits }) => traits.scope === "shared");
    const registrations = shared.map(({ id, traits }) => ({ id, holds: [...traits.holds].sort() }));
    this.#known = await this.#ledger.registerStores(registrations, signal);
  }

  /** Reads the stores that other nodes registered. @throws {StoreUnavailableError} */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#known = await this.#ledger.listStores(signal);
  }

  /** Those that this node does not run, as last read. */
  get unattached(): readonly RegisteredStore[] {
    return this.#known.filter(({ id }) => this.#own.get(id) === undefined);
  }

  /** Registered stores that are not filled yet: memories that they lack are no drift. @throws {StoreUnavailableError} */
  async unfilled(signal: AbortSignal): Promise<ReadonlySet<StoreId>> {
    await this.refresh(signal);
    return new Set(this.#known.filter(({ filled }) => !filled).map(({ id }) => id));
  }
}
