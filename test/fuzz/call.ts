import { Agent, type IncomingMessage, request as send } from "node:http";
import { connect } from "node:net";
import type { Answer } from "./document.ts";
import type { FuzzRequest } from "./generate.ts";

/**
 * Milliseconds that an answer may take on a busy machine. Longer than any deadline of the service's own (60,000 and a 64th
 * for a statement): otherwise a call that meets one looks like a call that is never answered, and the reason is lost.
 */
const ANSWER_TIMEOUT_MS = 90_000;

/** Bytes of an answer that are read. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Connections of the fuzzer. */
export class Caller {
  readonly #base: URL;
  readonly #agent: Agent;

  constructor(url: string, connections: number) {
    this.#base = new URL(url);
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** @returns null where the connection ended without an answer. @throws {Error} There was no answer in time. */
  async call(request: FuzzRequest, key: string | null): Promise<Answer | null> {
    const query = request.query.map((pair) => pair.map(encoded).join("=")).join("&");
    const body = request.body === null ? null : Buffer.from(request.body, "utf8");
    const headers: Record<string, string> = { ...request.headers };
    if (key !== null) headers.authorization = `Bearer ${key}`;
    if (body !== null) headers["content-length"] = String(body.length);
    // Node's client refuses control characters in a header before it sends anything. All other bytes go out.
    for (const [name, value] of Object.entries(headers)) {
      headers[name] = Buffer.from(value, "utf8")
        .toString("latin1")
        .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, " ");
    }
    return await new Promise((resolve, reject) => {
      const sent = send(
        {
          host: this.#base.hostname,
          port: this.#base.port,
          agent: this.#agent,
          method: request.method,
          path: query === "" ? request.path : `${request.path}?${query}`,
          headers,
        },
        (response) => void read(response).then(resolve, reject),
      );
      sent.setTimeout(ANSWER_TIMEOUT_MS, () => {
        reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`));
        sent.destroy();
      });
      // Without an answer: the service closed the connection while a body that it refused was still being sent.
      sent.on("error", () => resolve(null));
      sent.end(body ?? undefined);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Percent-encoded; `\\u0000`, as JSON spells it, becomes the character. */
function encoded(text: string): string {
  return encodeURIComponent(Buffer.from(text.replaceAll("\\u0000", "\u0000"), "utf8").toString("utf8"));
}

/** Reads an answer; of a stream of events its beginning. */
async function read(response: IncomingMessage): Promise<Answer> {
  const type = response.headers["content-type"] ?? "";
  const status = response.statusCode ?? 0;
  const isEndless = type.startsWith("text/event-stream");
  const chunks: Buffer[] = [];
  let bytes = 0;
  let cut = isEndless;
  try {
    if (!isEndless) {
      for await (const chunk of response) {
        chunks.push(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        if (bytes > ANSWER_BYTES_MAX) cut = true;
        if (cut) break;
      }
    }
  } catch {
    cut = true; // The stream was cut short, as an export is whose ledger fails.
  }
  if (cut) response.destroy();
  const session = response.headers["mcp-session-id"];
  return { status, type, body: Buffer.concat(chunks).toString("utf8"), cut, session: session?.toString() };
}

/** Bytes that need not be HTTP. @returns the answer's status, type and body; null where the connection was closed without. */
export async function sayRaw(url: string, bytes: Buffer): Promise<Answer | null> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.end(bytes));
    socket.setTimeout(15_000, () => socket.destroy());
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const [head = "", ...rest] = text.split("\r\n\r\n");
      const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
      if (status === undefined) return resolve(null);
      const type = /^content-type: (.*)$/im.exec(head)?.[1]?.trim() ?? "";
      // The body of an answer without an error may be in chunks.
      resolve({ status: Number(status), type, body: rest.join("\r\n\r\n"), cut: Number(status) < 400 });
    });
  });
}
