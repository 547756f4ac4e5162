import { ApiError, problemOf } from "./api-error.ts";
import { readEvents, type StreamEvent } from "./event-stream.ts";

/** Milliseconds for an answer, unless the call says another time. */
const TIMEOUT_MS = 30_000;

/** No cookie is sent or kept, and no answer is stored on disk. */
const DISCREET = { credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" } as const;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  /** Fires when nobody waits for the answer any more: the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds. @default 30_000 */
  readonly timeoutMs?: number;
}

export interface ApiOptions {
  /** The service key; null: the service is asked without one. It stays in this object, in memory. */
  readonly key: string | null;
  /** Told when the service does not take the key any more. */
  readonly onKeyLost: (error: ApiError) => void;
  /** Where the routes are. */
  readonly base: URL;
}

/** Calls the service. Every call has a deadline, and fails with an `ApiError` or the reason of its signal. */
export class Api {
  readonly #key: string | null;
  readonly #onKeyLost: (error: ApiError) => void;
  readonly #base: URL;

  constructor({ key, onKeyLost, base }: ApiOptions) {
    this.#key = key;
    this.#onKeyLost = onKeyLost;
    this.#base = base;
  }

  get<T>(path: string, options: CallOptions = {}): Promise<T> {
    return this.#call<T>("GET", path, undefined, options);
  }

  post<T>(path: string, body?: unknown, options: CallOptions = {}): Promise<T> {
    return this.#call<T>("POST", path, body, options);
  }

  put<T>(path: string, body: unknown, options: CallOptions = {}): Promise<T> {
    return this.#call<T>("PUT", path, body, options);
  }

  /** A JSON merge patch. */
  patch<T>(path: string, body: unknown, options: CallOptions = {}): Promise<T> {
    const headers = { "content-type": "application/merge-patch+json", ...options.headers };
    return this.#call<T>("PATCH", path, body, { ...options, headers });
  }

  delete<T>(path: string, options: CallOptions = {}): Promise<T> {
    return this.#call<T>("DELETE", path, undefined, options);
  }

  /**
   * Server-sent events until the service ends the stream or the signal fires.
   * @throws {ApiError} It was refused, or broke off.
   */
  async *events(path: string, { query, signal }: { query?: Query; signal: AbortSignal }): AsyncGenerator<StreamEvent> {
    const response = await this.#fetch("GET", path, undefined, { ...(query && { query }), signal }, signal);
    if (response.body === null) throw new ApiError(response.status, "UNREADABLE", "the stream has no body");
    try {
      yield* readEvents(response.body);
    } catch (error) {
      signal.throwIfAborted();
      throw new ApiError(0, "UNREACHABLE", "the stream of the service broke off", { retryable: true, cause: error });
    }
  }

  async #call<T>(method: string, path: string, body: unknown, options: CallOptions): Promise<T> {
    const { signal, timeoutMs = TIMEOUT_MS } = options;
    const deadline = AbortSignal.timeout(timeoutMs);
    const response = await this.#fetch(method, path, body, options, any(signal, deadline));
    try {
      const text = await response.text();
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      throw failureOf(error, signal, deadline);
    }
  }

  async #fetch(
    method: string,
    path: string,
    body: unknown,
    { query = {}, headers = {}, signal }: CallOptions,
    until: AbortSignal,
  ): Promise<Response> {
    const url = new URL(path.replace(/^\//, ""), this.#base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== "") url.searchParams.set(name, String(value));
    }
    let problem: ApiError;
    try {
      const response = await fetch(url, {
        method,
        signal: until,
        headers: {
          ...(this.#key !== null && { authorization: `Bearer ${this.#key}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...DISCREET,
      });
      if (response.ok) return response;
      problem = await problemOf(response);
    } catch (error) {
      throw failureOf(error, signal, until);
    }
    if (problem.status === 401) this.#onKeyLost(problem);
    throw problem;
  }
}

function any(signal: AbortSignal | undefined, deadline: AbortSignal): AbortSignal {
  return signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
}

/** The reason of the caller's own signal passes as it is: the caller knows it. */
function failureOf(error: unknown, signal: AbortSignal | undefined, until: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  const more = { retryable: true, cause: error };
  if (until.aborted) return new ApiError(0, "TOO_SLOW", "the service did not answer in time", more);
  if (error instanceof SyntaxError) return new ApiError(200, "UNREADABLE", "the answer is no JSON document", more);
  return new ApiError(0, "UNREACHABLE", "the service does not answer", more);
}

/** A path of segments, each encoded. @throws {ApiError} A segment is `.` or `..`, which no address can have. */
export function pathOf(...segments: readonly string[]): string {
  const dots = segments.find((segment) => segment === "." || segment === "..");
  if (dots === undefined) return segments.map(encodeURIComponent).join("/");
  throw new ApiError(0, "VALIDATION", `no address can name "${dots}": use the command line for it`);
}

/** The path of a memory. */
export function memoryPath(namespace: string, memoryId: string, ...rest: readonly string[]): string {
  return pathOf("v1", "namespaces", namespace, "memories", memoryId, ...rest);
}
