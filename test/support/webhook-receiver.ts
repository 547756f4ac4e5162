import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { pollUntil } from "../../src/dev/wait.ts";

/** A message that arrived, whatever was answered. */
export interface Received {
  readonly id: string;
  readonly path: string;
  readonly signature: string;
  readonly timestamp: number;
  readonly text: string;
  readonly body: {
    type: string;
    timestamp: string;
    data: Record<string, never> & { memoryId?: string; version?: number };
  };
}

/** Answers a message. Without an answer the call hangs. */
export type Answer = (response: ServerResponse, message: Received, request: IncomingMessage) => void;

export const ok: Answer = (response) => void response.writeHead(204).end();
export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(code, headers).end("no");
export const hang: Answer = () => undefined;
/** The head byte by byte, so that the answer never comes, and the connection is never silent. */
export const drip: Answer = (response) => {
  const { socket } = response;
  const timer = setInterval(() => socket?.write("H"), 20);
  socket?.once("close", () => clearInterval(timer));
};
export const closeEarly: Answer = (response) => void response.socket?.destroy();
/** An answer whose body does not end. */
export const endless: Answer = (response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write("x".repeat(10_000)), 5);
  response.once("close", () => clearInterval(timer));
};

/** A receiver of webhooks on a real socket. */
export class WebhookReceiver {
  readonly received: Received[] = [];
  /** Messages that were answered by 2xx. */
  readonly accepted: Received[] = [];
  answer: Answer = ok;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(t: { onTestFinished: (finish: () => Promise<void>) => void }): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    t.onTestFinished(async () => {
      for (const socket of receiver.#sockets) socket.destroy();
      await new Promise((resolve) => receiver.#server.close(resolve));
    });
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`;
  }

  /** Waits until `count` messages were accepted. */
  async take(count: number, timeoutMs = 120_000): Promise<Received[]> {
    await pollUntil(`${count} accepted messages`, timeoutMs, () => this.accepted.length >= count);
    return this.accepted.slice(0, count);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // The sender broke the call off.
    }
    const text = Buffer.concat(chunks).toString();
    const header = (name: string): string => String(request.headers[name] ?? "");
    const message: Received = {
      id: header("webhook-id"),
      path: request.url ?? "",
      signature: header("webhook-signature"),
      timestamp: Number(header("webhook-timestamp")),
      text,
      body: JSON.parse(text),
    };
    this.received.push(message);
    this.answer(response, message, request);
    if (response.statusCode < 300 && response.headersSent) this.accepted.push(message);
  }
}

/** Whether one of the signatures is by `secret`, as Standard Webhooks has it. */
export function isSignedBy({ id, timestamp, text, signature }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = Buffer.from(createHmac("sha256", key).update(`${id}.${timestamp}.${text}`).digest("base64"));
  return signature.split(" ").some((entry) => {
    const [version, given = ""] = entry.split(",");
    const bytes = Buffer.from(given);
    return version === "v1" && bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}
