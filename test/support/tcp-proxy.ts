import { once } from "node:events";
import { createServer, connect as openSocket, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { pickFreePort } from "../../src/dev/free-port.ts";
import { type Admitted, type Direction, type LastWords, type LinkRules, ProxyLink } from "./proxy-link.ts";

export type { Direction } from "./proxy-link.ts";

const DIRECTIONS = ["toServer", "toClient"] as const;

interface Rules {
  /** Nothing goes through, FIN and RST included, until this ends; then what was held back does. */
  held: boolean;
  /** Bytes vanish. */
  dropped: boolean;
  latencyMs: number;
}

interface Trigger {
  readonly direction: Direction;
  /** Empty: any bytes. */
  readonly sequence: Buffer;
  readonly action: () => void | Promise<void>;
}

interface Cut {
  readonly direction: Direction;
  remaining: number;
  /** The first connection that carried bytes in that direction since the cut was ordered. */
  link: ProxyLink | null;
}

const newRules = (): Rules => ({ held: false, dropped: false, latencyMs: 0 });

/**
 * A TCP proxy on 127.0.0.1 in front of one server, for breaking what goes through it while connections are open.
 *
 * It holds one chunk per direction and connection at most and stops reading behind it, so a black hole is one as TCP
 * sees it: nothing arrives, not even the end of the connection, and all of it once the hole closes. That a COMMIT
 * arrives long after its sender has given up is thus among the things that can happen.
 */
export class TcpProxy implements LinkRules {
  #target: number;
  readonly #links = new Set<ProxyLink>();
  readonly #rules: Record<Direction, Rules> = { toServer: newRules(), toClient: newRules() };
  readonly #bytes: Record<Direction, number> = { toServer: 0, toClient: 0 };
  readonly #changed = new Set<() => void>();
  #triggers: Trigger[] = [];
  #cut: Cut | null = null;
  #lastWords: LastWords | null = null;
  #server: Server | null = null;
  #port = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  /** Listens on a free port and forwards to `port` of 127.0.0.1. */
  static async start(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port);
    for (let attempt = 1; ; attempt++) {
      // Not one that the system picks: it may give such a port to somebody's outgoing connection while nothing listens here.
      proxy.#port = await pickFreePort();
      try {
        await proxy.#listen();
        return proxy;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === 10) throw error;
      }
    }
  }

  get port(): number {
    return this.#port;
  }

  /** New connections go to `port` from now on: the address moved, as in a failover. Open ones stay. */
  retarget(port: number): void {
    this.#target = port;
  }

  /** Open connections. */
  get connections(): number {
    return this.#links.size;
  }

  /** Bytes that were let through so far, both ends of the process' lifetime included. */
  get bytes(): Readonly<Record<Direction, number>> {
    return { ...this.#bytes };
  }

  /** `url` with the proxy's address in place of the server's. */
  through(url: string): string {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${this.#port}`;
    return changed.href;
  }

  /** Ends every fault that stands; what was held back is delivered. Triggers and cuts that did not fire are forgotten. */
  async pass(): Promise<void> {
    for (const direction of DIRECTIONS) this.#rules[direction] = newRules();
    this.#triggers = [];
    this.#cut = null;
    this.#lastWords = null;
    this.#notify();
    if (this.#server === null) await this.#listen();
  }

  /** Accepts connections, keeps them open, and lets nothing through. */
  blackHole(...directions: Direction[]): void {
    for (const direction of directions.length === 0 ? DIRECTIONS : directions) this.#rules[direction].held = true;
  }

  /** As a black hole for the connections that are open now, whatever else passes; new ones do. A firewall that lost its state. */
  forgetOpen(): void {
    for (const link of this.#links) link.forgotten = true;
  }

  /** Delivers what forgotten connections held back. */
  rememberForgotten(): void {
    for (const link of this.#links) link.forgotten = false;
    this.#notify();
  }

  /** Requests arrive and are carried out; what the server says vanishes. */
  dropReplies(): void {
    this.#rules.toClient.dropped = true;
  }

  slow(latencyMs: number, ...directions: Direction[]): void {
    for (const direction of directions.length === 0 ? DIRECTIONS : directions)
      this.#rules[direction].latencyMs = latencyMs;
  }

  /** RST to both ends of every open connection. New ones pass. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Stops listening and resets every connection: as if nothing ran there. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = once(server, "close");
    server.close();
    this.reset();
    await closed;
  }

  /**
   * Resets a connection once `bytes` more have gone through it in this direction: the first connection that has
   * traffic in it from now on. With 0 its next byte resets it and does not arrive.
   */
  cutAfter(direction: Direction, bytes: number): void {
    this.#cut = { direction, remaining: bytes, link: null };
  }

  /**
   * Says `bytes` to the client in place of the next answer, and ends that connection, as a server does that dies.
   * @param carriedOut whether the server still did what it was asked; false: the client's next bytes do not arrive.
   */
  dieSaying(bytes: Buffer, carriedOut: boolean): void {
    this.#lastWords = { direction: carriedOut ? "toClient" : "toServer", bytes };
  }

  /**
   * Runs `action` once, when the bytes of some connection contain `sequence` (null: any bytes), and before the chunk
   * that completes it goes on. Faults that the action begins hit that very chunk.
   */
  when(direction: Direction, sequence: string | null, action: () => void | Promise<void>): void {
    this.#triggers.push({ direction, sequence: Buffer.from(sequence ?? "", "latin1"), action });
  }

  /** Ends every connection and stops listening. Safe twice. */
  async close(): Promise<void> {
    this.#triggers = [];
    await this.refuse();
    await Promise.all([...this.#links].map((link) => link.ended));
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      const link = new ProxyLink(
        client,
        openSocket({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true }),
        this,
      );
      this.#links.add(link);
      void link.ended.then(() => this.#links.delete(link));
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
  }

  /** @internal For its links. */
  async admit(link: ProxyLink, direction: Direction, chunk: Buffer, seen: Buffer): Promise<Admitted> {
    for (const trigger of this.#triggers.filter((candidate) => candidate.direction === direction)) {
      if (!seen.includes(trigger.sequence) || !this.#triggers.includes(trigger)) continue;
      this.#triggers = this.#triggers.filter((candidate) => candidate !== trigger);
      await trigger.action();
    }
    await this.opened(link, direction);
    const { latencyMs } = this.#rules[direction];
    if (latencyMs > 0) await delay(latencyMs);
    if (this.#rules[direction].dropped) return { part: Buffer.alloc(0), next: "on" };
    const lastWords = this.#lastWords;
    if (lastWords?.direction === direction) {
      this.#lastWords = null;
      return { part: Buffer.alloc(0), next: lastWords };
    }
    const cut = this.#cut;
    let part = chunk;
    let reached = false;
    if (cut !== null && cut.direction === direction && (cut.link ?? link) === link) {
      cut.link = link;
      part = chunk.subarray(0, cut.remaining);
      cut.remaining -= part.length;
      reached = cut.remaining === 0;
      if (reached) this.#cut = null;
    }
    this.#bytes[direction] += part.length;
    return { part, next: reached ? "reset" : "on" };
  }

  /** @internal For its links. */
  async opened(link: ProxyLink, direction: Direction): Promise<void> {
    while ((this.#rules[direction].held || link.forgotten) && !link.over) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#changed.delete(wake);
          resolve();
        };
        this.#changed.add(wake);
        void link.ended.then(wake);
      });
    }
  }

  #notify(): void {
    for (const wake of this.#changed) wake();
  }
}
