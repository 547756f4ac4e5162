import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";

const file = (name: string): string => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** Signed by itself, for localhost and 127.0.0.1, until 2126. Its key is no secret. */
export const CERTIFICATE_FILE = file("certificate.pem");
export const KEY_FILE = file("key.pem");

/** What Postgres clients send before they speak TLS. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Speaks TLS to clients and plainly to the server on `port`: every server can be reached over TLS, however it was built. */
export class TlsFront {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, protocol: "postgres" | "redis") {
    const identity = { cert: readFileSync(CERTIFICATE_FILE), key: readFileSync(KEY_FILE) };
    this.#server = createServer((socket) => {
      this.#hold(socket);
      const begin = (): void => {
        const secure = new TLSSocket(socket, { isServer: true, ...identity });
        const plain = connect(port, "127.0.0.1");
        this.#hold(plain);
        this.#hold(secure);
        secure.pipe(plain).pipe(secure);
        secure.once("close", () => plain.destroy());
        plain.once("close", () => socket.destroy());
      };
      if (protocol === "redis") {
        begin();
        return;
      }
      socket.once("data", (request: Buffer) => {
        if (request.equals(SSL_REQUEST)) {
          socket.write("S");
          begin();
        } else socket.destroy();
      });
    });
  }

  static async start(port: number, protocol: "postgres" | "redis", host = "127.0.0.1"): Promise<TlsFront> {
    const front = new TlsFront(port, protocol);
    front.#server.listen(0, host);
    await once(front.#server, "listening");
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined); // A client that does not trust us hangs up.
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
