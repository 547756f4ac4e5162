import type { Socket } from "node:net";

/** Which half of the traffic: what clients send, or what the server sends. */
export type Direction = "toServer" | "toClient";

/** What a connection is told in place of an answer. */
export interface LastWords {
  /** The bytes that are swallowed: the server's answer, or what the client sends. */
  readonly direction: Direction;
  readonly bytes: Buffer;
}

/** What becomes of a chunk: it goes on, and so does its connection; or that is reset after it; or the client hears its last words. */
export interface Admitted {
  readonly part: Buffer;
  readonly next: "on" | "reset" | LastWords;
}

/** What the proxy does to its connections. */
export interface LinkRules {
  /** How much of a chunk may go on, and what becomes of its connection then. */
  admit(link: ProxyLink, direction: Direction, chunk: Buffer, seen: Buffer): Promise<Admitted>;
  /** Resolves once this direction is not held; or never more, when its connection is forgotten or over. */
  opened(link: ProxyLink, direction: Direction): Promise<void>;
}

/** One connection through a proxy. */
export class ProxyLink {
  readonly ended: Promise<void>;
  forgotten = false;
  over = false;
  readonly #client: Socket;
  readonly #server: Socket;
  #end: () => void = () => undefined;

  constructor(client: Socket, server: Socket, rules: LinkRules) {
    this.#client = client;
    this.#server = server;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    for (const socket of [client, server]) socket.setNoDelay(true);
    void this.#pump(client, server, "toServer", rules);
    void this.#pump(server, client, "toClient", rules);
  }

  /** RST to both ends, what they have not read yet included. */
  reset(): void {
    if (this.over) return;
    this.over = true;
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.#end();
  }

  #dieSaying(bytes: Buffer): void {
    this.over = true;
    this.#client.end(bytes);
    this.#server.resetAndDestroy();
    this.#end();
  }

  async #pump(from: Socket, to: Socket, direction: Direction, rules: LinkRules): Promise<void> {
    // Sequences may be torn between chunks: enough of the one before is kept to find them.
    let tail = Buffer.alloc(0);
    to.on("error", () => undefined); // Shows as the end of its own pump.
    try {
      for await (const data of from) {
        const chunk = data as Buffer;
        const seen = Buffer.concat([tail, chunk]);
        const { part, next } = await rules.admit(this, direction, chunk, seen);
        tail = seen.subarray(Math.max(0, seen.length - 64));
        if (this.over) return;
        if (part.length > 0) await written(to, part);
        if (next === "reset") this.reset();
        else if (next !== "on") this.#dieSaying(next.bytes);
      }
      await rules.opened(this, direction);
      if (to.writable) to.end();
      if (from.writableEnded || to.readableEnded) this.#close();
    } catch {
      await rules.opened(this, direction); // A black hole swallows resets as well.
      this.reset();
    }
  }

  /** Both directions have ended in good order. */
  #close(): void {
    if (this.over) return;
    this.over = true;
    this.#client.destroySoon();
    this.#server.destroySoon();
    this.#end();
  }
}

/** Resolves once the system has taken the bytes. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
