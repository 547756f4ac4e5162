import type { Agent } from "undici";
import { isTransientStatus, retryAfterMs } from "../embed/retry-after.ts";
import { untilAborted } from "../runtime/deadline.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import { type AddressGuard, ForbiddenAddressError } from "./address-guard.ts";
import { type SignedMessage, signedHeaders } from "./signature.ts";

/** What became of one call. No answer's body is read: it would be the receiver's way to have us keep what it likes. */
export type Delivery =
  | { readonly outcome: "accepted"; readonly status: number }
  /** The receiver does not take this message: a later one may be welcome. */
  | { readonly outcome: "refused"; readonly status: number; readonly error: string }
  /** The receiver says that it is gone for good. */
  | { readonly outcome: "gone"; readonly status: number; readonly error: string }
  /** The receiver was not reached, or is not able to answer now. */
  | {
      readonly outcome: "failed";
      readonly status: number | null;
      readonly error: string;
      /** Milliseconds that the receiver asks to wait; null: it does not say. */
      readonly retryAfterMs: number | null;
    };

export interface SenderOptions {
  readonly guard: AddressGuard;
  readonly allowHttp: boolean;
  /** Milliseconds for one call, from the look-up of the name to the answer's head. */
  readonly timeoutMs: number;
  readonly userAgent: string;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** Milliseconds that an idle connection is kept: shorter than receivers keep theirs, so that few calls meet a closed one. */
const IDLE_MS = 4_000;
const HEADERS_BYTES_MAX = 16_384;
/** Bytes of an answer's body that are passed over so that the connection can be used again; beyond, it is closed. */
const BODY_BYTES_MAX = 16_384;
const ERROR_LENGTH_MAX = 300;

const STATUS_GONE = 410;

/** Makes the calls to receivers. Redirects are not followed: their target was not asked for by the subscription's owner. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #now: () => number;
  #agent: Promise<Agent> | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** One attempt. It never rejects, but for the reason of `signal`. */
  async send(
    url: string,
    message: Omit<SignedMessage, "timestamp">,
    secrets: readonly string[],
    signal: AbortSignal,
  ): Promise<Delivery> {
    const { timeoutMs } = this.#options;
    const deadline = new LinkedAbort(signal, timeoutMs);
    try {
      return await this.#call(url, message, secrets, deadline.signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const text = deadline.timedOut ? `no answer within ${timeoutMs} ms` : reasonOf(error);
      return { outcome: "failed", status: null, error: text.slice(0, ERROR_LENGTH_MAX), retryAfterMs: null };
    } finally {
      deadline.release();
    }
  }

  /** No connection is left afterwards. */
  async close(): Promise<void> {
    const agent = this.#agent;
    this.#agent = null;
    await (await agent)?.destroy();
  }

  async #call(
    url: string,
    { id, body }: Omit<SignedMessage, "timestamp">,
    secrets: readonly string[],
    signal: AbortSignal,
  ): Promise<Delivery> {
    const { guard, allowHttp, userAgent } = this.#options;
    const { protocol, hostname } = new URL(url);
    if (protocol !== "https:" && !allowHttp) {
      throw new ForbiddenAddressError("the receiver has an http address, and webhooks.allowHttp is not set");
    }
    guard.assertHost(hostname);
    const { request } = await import("./http-client.ts");
    const message = { id, timestamp: Math.floor(this.#now() / 1_000), body };
    const calling = request(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": userAgent, ...signedHeaders(message, secrets) },
      body,
      dispatcher: await this.#agentOf(),
      signal,
    });
    // undici looks at the signal once the connection stands: without this a look-up or a connection would outlast the deadline.
    const response = await untilAborted(calling, signal);
    // The head is the answer. A body that does not end is cut off, and never waited for.
    response.body.on("error", () => undefined);
    void response.body.dump({ limit: BODY_BYTES_MAX, signal: AbortSignal.timeout(IDLE_MS) }).catch(() => undefined);
    return this.#judged(response.statusCode, response.headers["retry-after"]);
  }

  #judged(status: number, retryAfter: string | string[] | undefined): Delivery {
    if (status >= 200 && status < 300) return { outcome: "accepted", status };
    const error = `the receiver answered ${status}`;
    if (status === STATUS_GONE) return { outcome: "gone", status, error };
    if (isTransientStatus(status)) {
      const header = typeof retryAfter === "string" ? retryAfter : null;
      return { outcome: "failed", status, error, retryAfterMs: retryAfterMs(header, this.#now()) ?? null };
    }
    const isRedirect = status >= 300 && status < 400;
    return { outcome: "refused", status, error: isRedirect ? `${error}: redirects are not followed` : error };
  }

  #agentOf(): Promise<Agent> {
    this.#agent ??= this.#makeAgent();
    return this.#agent;
  }

  async #makeAgent(): Promise<Agent> {
    const { Agent } = await import("./http-client.ts");
    const { guard, timeoutMs } = this.#options;
    return new Agent({
      connect: { lookup: guard.lookup, timeout: timeoutMs },
      // As many connections as calls, which the turns bound: with fewer, receivers of several owners at one origin would wait for
      // the slowest of them, and their calls would time out.
      connections: null,
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      maxHeaderSize: HEADERS_BYTES_MAX,
    });
  }
}

/** The innermost reason: a client wraps what its socket says. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { message, cause } = error as Error;
  if (cause instanceof Error) return reasonOf(cause);
  return message === "" ? String((error as NodeJS.ErrnoException).code ?? error) : message;
}
