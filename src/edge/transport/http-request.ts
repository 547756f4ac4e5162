import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { unpacked } from "../../runtime/gzip.ts";
import { onAbort } from "../../runtime/on-abort.ts";

export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: none. */
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** Of the header of that name. */
  readonly retryAfter: string | null;
  /** Unpacked; null: more than the caller takes. */
  readonly bytes: Buffer | null;
}

/** Sends a request, and reads its answer up to `bytesMax` bytes. Follows no redirect: the key must not get to another host. */
export type SendRequest = (url: string, request: HttpRequest, bytesMax: number) => Promise<HttpAnswer>;

/**
 * Over Node's own client, and the connections that its global agent keeps. `fetch` took a millisecond more of the processor for a push,
 * and its code and streams a part of the memory of each thread that calls it.
 */
export const sendOverHttp: SendRequest = (url, { method, headers, body, signal }, bytesMax) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted(); // A signal that is aborted already calls no listener.
    const address = new URL(url);
    const begin = address.protocol === "https:" ? requestHttps : requestHttp;
    const length = body === null ? {} : { "content-length": String(body.byteLength) };
    const request = begin(address, { method, headers: { ...headers, ...length, "accept-encoding": "gzip" } });
    const forget = onAbort(signal, () => request.destroy(signal.reason as Error));
    request.once("close", forget);
    // Also errors behind the answer, which nobody waits for any more.
    request.on("error", reject);
    request.once("response", (response) => bytesOf(response, bytesMax).then(resolve, reject));
    if (body === null) request.end();
    else request.end(body);
  });

export function sendOverFetch(fetch: typeof globalThis.fetch): SendRequest {
  return async (url, { method, headers, body, signal }, bytesMax) => {
    const given = body === null ? {} : { body };
    const response = await fetch(url, { method, headers, redirect: "manual", signal, ...given });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) chunks.push(chunk);
      else break;
    }
    const retryAfter = response.headers.get("retry-after");
    return { status: response.status, retryAfter, bytes: bytes > bytesMax ? null : Buffer.concat(chunks) };
  };
}

function bytesOf(response: IncomingMessage, bytesMax: number): Promise<HttpAnswer> {
  const { statusCode: status = 0, headers } = response;
  const answer = { status, retryAfter: headers["retry-after"] ?? null };
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    response.on("data", (chunk: Buffer) => {
      received += chunk.byteLength;
      chunks.push(chunk);
      if (received <= bytesMax) return;
      resolve({ ...answer, bytes: null });
      response.destroy();
    });
    response.once("error", reject);
    response.once("close", () => {
      if (!response.complete) reject(new Error("the answer was cut short"));
    });
    response.once("end", () => {
      const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      if (headers["content-encoding"]?.toLowerCase() !== "gzip") resolve({ ...answer, bytes });
      else unpacked(bytes, bytesMax).then((plain) => resolve({ ...answer, bytes: plain }), reject);
    });
  });
}
