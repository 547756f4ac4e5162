import { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { PostgresWire } from "./postgres-wire.ts";
import { RedisWire, scriptNames } from "./redis-wire.ts";

/** One write to a connection, and the end of what it asked for. Times are of `performance.now()`. */
export interface Message {
  readonly store: "postgres" | "redis" | "faiss";
  readonly what: string;
  /** Null: not counted, where the channel encodes by itself. */
  readonly bytes: number | null;
  readonly sentAt: number;
  /** Null: no answer yet. */
  answeredAt: number | null;
}

interface Waiting {
  readonly message: Message;
  answers: number;
}

interface Wire {
  sent(bytes: Buffer): { what: string; answers: number };
  received(bytes: Buffer): number;
}

/** Sockets and the channel to the index host, listened to from outside: the product knows nothing of it. */
export class Taps {
  readonly messages: Message[] = [];
  readonly #restore: (() => void)[] = [];

  /** Before anything is connected: each connection is followed from its first byte on. */
  static async open(postgresUrl: string, redisUrl: string): Promise<Taps> {
    const scripts = await scriptNames();
    const taps = new Taps();
    taps.#tapSockets(
      new Map([
        [Number(new URL(postgresUrl).port), { store: "postgres", wire: () => new PostgresWire() }],
        [Number(new URL(redisUrl).port), { store: "redis", wire: () => new RedisWire(scripts) }],
      ]),
    );
    taps.#tapHosts();
    return taps;
  }

  close(): void {
    for (const restore of this.#restore.splice(0)) restore();
  }

  #tapSockets(known: ReadonlyMap<number, { store: Message["store"]; wire: () => Wire }>): void {
    const lines = new WeakMap<Socket, { store: Message["store"]; wire: Wire; waiting: Waiting[] }>();
    const lineOf = (socket: Socket) => {
      const found = known.get(socket.remotePort ?? 0);
      if (found === undefined) return undefined;
      const line = lines.get(socket) ?? { store: found.store, wire: found.wire(), waiting: [] };
      lines.set(socket, line);
      return line;
    };
    const sent = (socket: Socket, bytes: Buffer): void => {
      const line = lineOf(socket);
      if (line === undefined) return;
      const { what, answers } = line.wire.sent(bytes);
      const message = { store: line.store, what, bytes: bytes.length, sentAt: performance.now(), answeredAt: null };
      this.messages.push(message);
      if (answers > 0) line.waiting.push({ message, answers });
    };
    const prototype = Socket.prototype;
    const { _write, _writev, emit } = prototype;
    const toBuffer = (chunk: unknown, encoding?: BufferEncoding): Buffer =>
      typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk as Uint8Array);
    prototype._write = function (this: Socket, chunk: unknown, encoding: BufferEncoding, done) {
      sent(this, toBuffer(chunk, encoding));
      _write.call(this, chunk, encoding, done);
    };
    prototype._writev = function (this: Socket, chunks: { chunk: unknown; encoding: BufferEncoding }[], done) {
      sent(this, Buffer.concat(chunks.map(({ chunk, encoding }) => toBuffer(chunk, encoding))));
      _writev?.call(this, chunks as never, done);
    };
    prototype.emit = function (this: Socket, event: string | symbol, ...args: unknown[]) {
      if (event === "data") received(this, args[0] as Buffer);
      return Reflect.apply(emit, this, [event, ...args]);
    } as typeof emit;
    const received = (socket: Socket, bytes: Buffer): void => {
      const line = lineOf(socket);
      for (let ended = line?.wire.received(bytes) ?? 0; ended > 0; ended--) {
        const first = line?.waiting[0];
        if (first === undefined) return;
        if (--first.answers > 0) continue;
        first.message.answeredAt = performance.now();
        line?.waiting.shift();
      }
    };
    this.#restore.push(() => Object.assign(prototype, { _write, _writev, emit }));
  }

  #tapHosts(): void {
    // Not among Node's types, and the only place at which a child is seen before anything is sent to it.
    const prototype = ChildProcess.prototype as ChildProcess & { spawn(...args: unknown[]): unknown };
    const { spawn } = prototype;
    const { messages } = this;
    prototype.spawn = function (this: ChildProcess, ...args: unknown[]) {
      const result = spawn.apply(this, args);
      const waiting = new Map<number, Message>();
      const send = this.send?.bind(this) as ((...given: unknown[]) => boolean) | undefined;
      if (send === undefined) return result;
      this.send = (...given: unknown[]) => {
        const { id, operation } = given[0] as { id: number; operation: string };
        const message = {
          store: "faiss" as const,
          what: operation,
          bytes: null,
          sentAt: performance.now(),
          answeredAt: null,
        };
        messages.push(message);
        waiting.set(id, message);
        return send(...given);
      };
      this.prependListener("message", (answer) => {
        const message = waiting.get((answer as { id: number }).id);
        if (message !== undefined) message.answeredAt = performance.now();
      });
      return result;
    };
    this.#restore.push(() => Object.assign(prototype, { spawn }));
  }
}
