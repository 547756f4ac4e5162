import type { StoreId } from "../domain/store-id.ts";
import type { DeployedStore } from "../ledger/deployment-statements.ts";
import type { DeploymentStores } from "../write/deployment-stores.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions } from "./calls.ts";

/** The shared stores of the deployment, on whatever node they run: list them, and forget one that no node runs any more. */
export class SharedStores {
  readonly #scope: CallScope;
  readonly #deployment: DeploymentStores;

  constructor(scope: CallScope, deployment: DeploymentStores) {
    this.#scope = scope;
    this.#deployment = deployment;
  }

  /** By id. @throws {StoreUnavailableError} */
  async list(options: CallOptions = {}): Promise<DeployedStore[]> {
    return await this.#scope.run("stores.list", options, (signal) => this.#deployment.list(signal));
  }

  /** @throws {NotFoundError} {StoreUnavailableError} */
  async show(id: StoreId, options: CallOptions = {}): Promise<DeployedStore> {
    return await this.#scope.run("stores.show", options, (signal) => this.#deployment.show(id, signal));
  }

  /**
   * Takes a store out of the deployment, with its backlog: from then on writes are not queued for it and do not read
   * `pending`. The data that it holds stay where they are.
   * @returns the store as it was.
   * @throws {ValidationError} A node still runs it. @throws {NotFoundError} {StoreUnavailableError}
   */
  async forget(id: StoreId, options: CallOptions = {}): Promise<DeployedStore> {
    return await this.#scope.run("stores.forget", options, (signal) => this.#deployment.forget(id, signal));
  }
}
