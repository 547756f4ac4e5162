import { InternalError } from "../domain/errors.ts";
import { closeAll } from "./close-all.ts";
import type { Service, ServiceStatus } from "./service.ts";

/**
 * The background work of one process. Services start in the order of the list and stop in reverse, one after the other,
 * so that a service can use those before it until it has stopped.
 */
export class Services {
  readonly #services: readonly Service[];

  /** Starts nothing. @throws {InternalError} Two services have one name. */
  constructor(services: readonly Service[]) {
    const names = services.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new InternalError(`two background services are called ${JSON.stringify(twice)}`);
    this.#services = [...services];
  }

  start(): void {
    for (const service of this.#services) service.start();
  }

  /** Stops each service, whether or not another one fails to. @throws {InternalError} with the first failure as its cause. */
  async stop(): Promise<void> {
    await closeAll(this.#services.map((service) => () => service.stop()));
  }

  /** By name, in the order of starting. */
  status(): Readonly<Record<string, ServiceStatus>> {
    return Object.fromEntries(this.#services.map((service) => [service.name, service.status()]));
  }
}
