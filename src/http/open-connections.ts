import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * The connections of a server, and how many requests each has under way. Node's `closeIdleConnections` leaves those open
 * that never sent a request (balancers and browsers connect ahead), and a server with one of them never ends its close.
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

  /** From now on connections end with their last request, those without one at once. */
  drain(): void {
    this.#draining = true;
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroySoon();
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const socket of this.#requests.keys()) socket.destroy();
  }

  #count(socket: Socket, change: 1 | -1): void {
    const requests = this.#requests.get(socket);
    if (requests === undefined) return; // It is closed.
    this.#requests.set(socket, requests + change);
    if (this.#draining && requests + change === 0) socket.destroySoon();
  }
}
