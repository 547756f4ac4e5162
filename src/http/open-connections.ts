import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * The connections of a server, with the number of running requests on each. Node's `closeIdleConnections` leaves
 * connections open that never sent a request (load balancers and browsers connect ahead), and `close` of a server with
 * such a connection never ends.
 */
export class OpenConnections {
  readonly #requests = new Map<Socket, number>();
  #draining = false;

  constructor(server: Server) {
    server.on("connection", (socket: Socket) => {
      this.#requests.set(socket, 0);
      socket.once("close", () => this.#requests.delete(socket));
    });
    server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once("close", () => this.#count(socket, -1));
    });
  }

  /** From now on a connection ends with its last running request, or at once where it has none. */
  drain(): void {
    this.#draining = true;
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroySoon();
  }

  /** Cuts the remaining connections. */
  destroy(): void {
    for (const socket of this.#requests.keys()) socket.destroy();
  }

  #count(socket: Socket, change: 1 | -1): void {
    const requests = this.#requests.get(socket);
    if (requests === undefined) return; // The connection is closed.
    this.#requests.set(socket, requests + change);
    if (this.#draining && requests + change === 0) socket.destroySoon();
  }
}
