import { isObject } from "../../domain/json.ts";
import { innermostMessage, patternOf } from "../../embed/http-failure.ts";
import { retryAfterMs } from "../../embed/retry-after.ts";
import { failureOfStatus, ServiceError } from "./service-error.ts";
import { Waiting } from "./waiting.ts";

export interface ServiceHttpOptions {
  /** The service in messages, e.g. `Memory Space`. */
  readonly name: string;
  /** Its address, with a path where it is served below one. */
  readonly url: string;
  /** Sent with each request. No other host gets them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Texts of the headers that no message may repeat, also where the service does: its key. */
  readonly secrets: readonly string[];
  /** Milliseconds to wait for the head of an answer, and for each further part of its body. */
  readonly timeoutMs: number;
  /** Milliseconds that all of these waits take together, at most. The time in which the caller works on a part does not count. */
  readonly wholeTimeoutMs: number;
  /** For tests. @default globalThis.fetch */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined;
}

export interface ServiceRequest {
  readonly method?: "GET" | "POST" | "DELETE" | "HEAD";
  /** Appended to the service's address: starts with `/`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>> | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Statuses that are an answer, not a failure. @default those from 200 to 299 */
  readonly accept?: (status: number) => boolean;
}

/** The head of an answer, and its body as it arrives. Call `end` when done, however it ended. */
export interface ServiceAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** @throws {ServiceError} The rest does not arrive. */
  readonly body: AsyncIterable<Uint8Array>;
  end(): void;
}

const REDIRECTS_MAX = 3;
/** Bytes of a refusal that are read for its reason. */
const REASON_BYTES_MAX = 4_096;
const REASON_LENGTH_MAX = 300;
/** As fetch says it of ports of other protocols (Fetch Standard, "bad port"): no repetition helps. */
const BAD_PORT = "bad port";
const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:"]);

/**
 * Calls one service over HTTP. A redirect to another host is refused, because custom headers with a key would follow it.
 * Each part of an answer has a deadline, and all together: a server that sends a head and then nothing, or a byte now and
 * then, cannot hold a run up.
 */
export class ServiceHttp {
  readonly #options: ServiceHttpOptions;
  readonly #base: URL;

  constructor(options: ServiceHttpOptions) {
    this.#options = options;
    this.#base = new URL(options.url.endsWith("/") ? options.url : `${options.url}/`);
  }

  /** One request, without a repetition. @throws {ServiceError} @throws the reason of `signal`. */
  async open(request: ServiceRequest, signal: AbortSignal): Promise<ServiceAnswer> {
    signal.throwIfAborted();
    const waiting = new Waiting(this.#options, signal);
    const failed = (error: unknown): unknown => {
      if (error instanceof ServiceError) return error;
      if (signal.aborted) return signal.reason;
      const why = waiting.timeUp ?? innermostMessage(error);
      // Without the cause: an error of an own fetch may quote the request, and logs print causes.
      if (why !== BAD_PORT) return new ServiceError("transient", this.#hidden(`${this.#where(request)}: ${why}`));
      const { port } = this.#base;
      return new ServiceError(
        "permanent",
        `${this.#where(request)}: no HTTP client calls port ${port}: serve it at another`,
      );
    };
    try {
      const response = await waiting.until(this.#fetched(request, waiting.signal));
      const { status, headers } = response;
      const isAccepted = request.accept ?? ((code: number) => code >= 200 && code < 300);
      const body = bodyOf(response, waiting, failed);
      if (!isAccepted(status)) throw await this.#refusal(request, status, headers, body);
      return { status, headers, body, end: () => waiting.end() };
    } catch (error) {
      waiting.end();
      throw failed(error);
    }
  }

  /** One request whose answer is JSON of at most `bytesMax` bytes. @throws {ServiceError} */
  async json(
    request: ServiceRequest,
    bytesMax: number,
    signal: AbortSignal,
  ): Promise<{ status: number; value: unknown }> {
    const { status, body, end } = await this.open(request, signal);
    const refuse = (found: string) => new ServiceError("permanent", `${this.#where(request)}: ${found}`, { status });
    try {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of body) {
        bytes += chunk.byteLength;
        if (bytes > bytesMax) throw refuse(`the answer is over ${bytesMax} bytes`);
        chunks.push(chunk);
      }
      const value = parsed(Buffer.concat(chunks).toString("utf8"));
      if (value === undefined) throw refuse("the answer is no JSON. Is this the address of the service's API?");
      return { status, value };
    } finally {
      end();
    }
  }

  async #fetched(request: ServiceRequest, signal: AbortSignal): Promise<Response> {
    const { method = "GET", body, headers } = request;
    let url = this.#urlOf(request);
    for (let redirects = 0; ; redirects++) {
      const response = await (this.#options.fetch ?? globalThis.fetch)(url, {
        method,
        headers: {
          accept: "application/json",
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
          ...this.#options.headers,
        },
        redirect: "manual",
        signal,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || response.status === 304 || location === null)
        return response;
      await response.body?.cancel();
      url = this.#redirected(request, url, location, response.status, redirects);
    }
  }

  #redirected(request: ServiceRequest, from: URL, location: string, status: number, redirects: number): URL {
    const refuse = (why: string) => new ServiceError("permanent", `${this.#where(request)}: ${why}`, { status });
    if (!URL.canParse(location, from.href)) throw refuse("it redirects to an address that is no URL");
    const target = new URL(location, from);
    if (!SCHEMES.has(target.protocol) || target.origin !== from.origin) {
      throw refuse(
        `it redirects to ${target.origin}, and only ${from.origin} gets the key: set the address it has moved to`,
      );
    }
    if ((request.method ?? "GET") !== "GET")
      throw refuse(`it redirects a ${request.method} request: set the address it has moved to`);
    if (redirects >= REDIRECTS_MAX) throw refuse(`it redirects more than ${REDIRECTS_MAX} times`);
    return target;
  }

  #urlOf({ path, query }: ServiceRequest): URL {
    const url = new URL(path.replace(/^\//, ""), this.#base);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, String(value));
    return url;
  }

  async #refusal(
    request: ServiceRequest,
    status: number,
    headers: Headers,
    body: AsyncIterable<Uint8Array>,
  ): Promise<ServiceError> {
    const asked = retryAfterMs(headers.get("retry-after"), (this.#options.now ?? Date.now)());
    const reason = await reasonOf(body);
    const said = `${this.#where(request)}: status ${status}${reason === "" ? "" : `: ${reason}`}`;
    return new ServiceError(failureOfStatus(status), this.#hidden(said), { status, retryAfterMs: asked });
  }

  #hidden(text: string): string {
    return this.#options.secrets
      .filter((secret) => secret !== "")
      .reduce((hidden, secret) => hidden.replace(patternOf(secret), "[secret]"), text);
  }

  /** Without the query: filters may hold what a log should not. */
  #where({ method = "GET", path }: ServiceRequest): string {
    return `${this.#options.name}, ${method} ${path}`;
  }
}

/** The body, whose every part has the time of `waiting`. */
async function* bodyOf(
  response: Response,
  waiting: Waiting,
  failed: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const part = await waiting.until(reader.read());
      if (part.done) return;
      yield part.value;
    }
  } catch (error) {
    throw failed(error);
  } finally {
    waiting.end();
  }
}

/** What the service says about its refusal: `error`, `detail` or `message` of a JSON body, else the start of the text. */
async function reasonOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= REASON_BYTES_MAX) break;
    }
  } catch {
    return ""; // The status is known: it counts more than a body that was cut off.
  }
  const text = Buffer.concat(chunks).toString("utf8").slice(0, REASON_BYTES_MAX);
  return printableReason(saidIn(text) ?? text);
}

function saidIn(text: string): string | null {
  const value = parsed(text);
  if (!isObject(value)) return null;
  const said = value.error ?? value.detail ?? value.message;
  return said === undefined ? null : typeof said === "string" ? said : JSON.stringify(said);
}

/** Undefined where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function printableReason(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim()
    .slice(0, REASON_LENGTH_MAX);
}
