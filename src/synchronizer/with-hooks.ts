import type { WriteHooks as Hooks } from "./assemble-writing.ts";
import { open, openWithClients } from "./connect.ts";
import type { Clients, ConnectOptions, WithClientsOptions } from "./connect-options.ts";
import { type MemorySynchronizer, synchronizerOf } from "./synchronizer.ts";

/** For this package's own fault tests, which `index.ts` does not export: a synchronizer whose write path is observed. */

export type { Hooks };

/** As `MemorySynchronizer.connect`. */
export async function connectWithHooks(
  { onStep, onEraseStep, unprepared, ...options }: ConnectOptions & Hooks,
  signal?: AbortSignal,
): Promise<MemorySynchronizer> {
  return synchronizerOf(await open(options, { onStep, onEraseStep, unprepared }, signal));
}

/** As `MemorySynchronizer.withClients`. */
export async function withClientsAndHooks(
  clients: Clients,
  { onStep, onEraseStep, unprepared, ...options }: WithClientsOptions & Hooks,
  signal?: AbortSignal,
): Promise<MemorySynchronizer> {
  return synchronizerOf(await openWithClients(clients, options, { onStep, onEraseStep, unprepared }, signal));
}
