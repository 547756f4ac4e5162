import { NotFoundError, ValidationError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { type DeployedStore, endRunning, listDeployed, noteRunning } from "../ledger/deployment-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { RegisteredStore } from "../ledger/store-statements.ts";
import type { StoreRegistry } from "../stores/registry.ts";

type StoresLedger = Pick<LedgerStore, "nodeId" | "registerStores" | "listStores" | "forgetStore">;

export interface DeploymentStoresParts {
  readonly ledger: StoresLedger;
  readonly postgres: PostgresAccess;
  readonly own: StoreRegistry;
  /** Names this process. */
  readonly holder: string;
  /** Milliseconds for which a note that this process runs its stores counts; it is renewed at each third of them. */
  readonly noteTtlMs: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/**
 * The shared stores of the deployment, as the ledger's table `stores` has them. A node may run fewer of them than another
 * one, so it queues its writes for the shared stores that it does not run.
 */
export class DeploymentStores {
  readonly #parts: DeploymentStoresParts;
  #known: readonly RegisteredStore[] = [];
  #notedAt: number | null = null;

  constructor(parts: DeploymentStoresParts) {
    this.#parts = parts;
  }

  /** Makes this node's shared stores known to all. Twice is once. @throws {StoreUnavailableError} */
  async register(signal: AbortSignal): Promise<void> {
    const registrations = this.#shared.map(({ id, traits }) => ({ id, holds: [...traits.holds].sort() }));
    this.#known = await this.#parts.ledger.registerStores(registrations, signal);
  }

  /** Reads the stores that other nodes registered. @throws {StoreUnavailableError} */
  async refresh(signal: AbortSignal): Promise<void> {
    this.#known = await this.#parts.ledger.listStores(signal);
  }

  /**
   * A pass of the background work: `refresh`; a store of this node that another node forgot is registered again; and a note
   * that this process runs its stores. @throws {StoreUnavailableError}
   */
  async keepUp(signal: AbortSignal): Promise<void> {
    await this.refresh(signal);
    if (this.#shared.some(({ id }) => !this.#known.some((known) => known.id === id))) await this.register(signal);
    const { ledger, postgres, holder, noteTtlMs, now = () => performance.now() } = this.#parts;
    if (this.#shared.length === 0 || (this.#notedAt !== null && now() - this.#notedAt < noteTtlMs / 3)) return;
    const stores = this.#shared.map(({ id }) => id);
    const note = { holder, nodeId: ledger.nodeId, stores, ttlMs: noteTtlMs };
    await postgres.use(signal, ({ sql }) => noteRunning(sql, note));
    this.#notedAt = now();
  }

  /** The background work has ended: another node may forget the stores. Without a note, nothing to do. */
  async leave(signal: AbortSignal): Promise<void> {
    if (this.#notedAt === null) return;
    this.#notedAt = null;
    await this.#parts.postgres.use(signal, ({ sql }) => endRunning(sql, this.#parts.holder));
  }

  /** Those that this node does not run, as last read. */
  get unattached(): readonly RegisteredStore[] {
    return this.#known.filter(({ id }) => this.#parts.own.get(id) === undefined);
  }

  /** Registered stores that are not filled yet: memories that they lack are no drift. @throws {StoreUnavailableError} */
  async unfilled(signal: AbortSignal): Promise<ReadonlySet<StoreId>> {
    await this.refresh(signal);
    return new Set(this.#known.filter(({ filled }) => !filled).map(({ id }) => id));
  }

  /** All shared stores of the deployment, by id. @throws {StoreUnavailableError} */
  async list(signal: AbortSignal): Promise<DeployedStore[]> {
    return await this.#parts.postgres.use(signal, ({ sql }) => listDeployed(sql));
  }

  /** @throws {NotFoundError} {StoreUnavailableError} */
  async show(id: StoreId, signal: AbortSignal): Promise<DeployedStore> {
    const [store] = await this.#parts.postgres.use(signal, ({ sql }) => listDeployed(sql, id));
    if (store === undefined) throw new NotFoundError(`the deployment has no shared store ${JSON.stringify(id)}`);
    return store;
  }

  /**
   * Takes a shared store out of the deployment, with its backlog: nothing is queued for it any more. Its data stay where
   * they are.
   * @returns the store as it was.
   * @throws {ValidationError} A node runs it. @throws {NotFoundError} {StoreUnavailableError}
   */
  async forget(id: StoreId, signal: AbortSignal): Promise<DeployedStore> {
    const { own, ledger } = this.#parts;
    const name = JSON.stringify(id);
    const store = await this.show(id, signal);
    if (own.get(id) !== undefined) {
      throw new ValidationError("store", `${name} is run by this process: take it out of the settings first`);
    }
    if (store.nodes.length > 0) {
      throw new ValidationError(
        "store",
        `${name} is run by ${store.nodes.length === 1 ? "node" : "nodes"} ${store.nodes.join(", ")}: take it out of ` +
          "their settings and restart them first. A node that ended without a goodbye counts for some minutes",
      );
    }
    // A node that starts with it in this very moment registers it again at its next pass.
    if (!(await ledger.forgetStore(id, signal))) throw new NotFoundError(`${name} was forgotten in the meantime`);
    await this.refresh(signal);
    return store;
  }

  get #shared() {
    return this.#parts.own.projections.filter(({ traits }) => traits.scope === "shared");
  }
}
