import type { ServerResponse } from "node:http";

/** Calls `act` once the connection of `response` is closed: at once where the caller has hung up, as no event comes any more. */
export function onceClosed(response: ServerResponse, act: () => void): void {
  if (response.destroyed) act();
  else response.once("close", act);
}
