import * as z from "zod";
import { ConfigurationError } from "../../domain/errors.ts";
import { defined } from "../../domain/settings.ts";
import { NEVER } from "../../runtime/shared-deadline.ts";
import { pathPart } from "../service/request-parts.ts";
import { type RetryOptions, retrying, waitAfter } from "../service/retrying.ts";
import { ServiceError } from "../service/service-error.ts";
import { type ServiceAnswer, ServiceHttp } from "../service/service-http.ts";
import { ALL_TIME } from "../time-window.ts";
import { type Dialect, detectDialect, type ListQuery, queryOf } from "./dialect.ts";
import { type MediaKind, type MemorySpaceItem, parseItem } from "./item.ts";
import { type ListingFacts, ListReader } from "./list-reader.ts";
import { type ListingEnd, listWindow } from "./listing.ts";
import { type MemorySpaceOptions, type MemorySpaceSettings, memorySpaceSettings } from "./settings.ts";

export interface ListItemsOptions {
  /** The earliest time of items, in milliseconds since 1970; also those changed since, where the service says when. @default all */
  readonly from?: number | undefined;
  /** The latest time of creation. @default all */
  readonly to?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface MediaOptions extends CallOptions {
  /** Bytes that the caller has already. Look at `offset` of the answer: not every server goes on. @default 0 */
  readonly offset?: number | undefined;
  /** `validator` of the answer that these bytes are of: where the file is another one by now, it comes whole. */
  readonly validator?: string | undefined;
}

/** A file of an item as it arrives. */
export interface MediaStream {
  /** With its parameters, e.g. `audio/ogg;codecs=opus`; empty where the server gives none. */
  readonly contentType: string;
  /** Where in the file the bytes begin. */
  readonly offset: number;
  /** Bytes of the whole file; null where the server does not say. */
  readonly total: number | null;
  /** Names this content of the file, for `Range`; null where the server does not. */
  readonly validator: string | null;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Hooks for tests and for the runtime of connectors. */
export interface ClientHooks {
  /** @default globalThis.fetch */
  readonly fetch?: typeof globalThis.fetch;
  /** Told of each wait before a request is sent again. */
  readonly onRetry?: (wait: {
    readonly attempt: number;
    readonly waitMs: number;
    readonly error: ServiceError;
  }) => void;
  /** @default a timer */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Bytes of one item, at most. */
const ITEM_BYTES_MAX = 16_777_216;

/** Reads the memories of one context of Memory Space. Every call has a deadline, and is repeated after failures that pass. */
export class MemorySpaceClient {
  readonly #settings: MemorySpaceSettings;
  readonly #hooks: ClientHooks;
  readonly #http: ServiceHttp;
  #dialect: Dialect | null;

  /** @throws {ConfigurationError} naming the option. */
  constructor(options: MemorySpaceOptions, hooks: ClientHooks = {}) {
    const parsed = memorySpaceSettings().safeParse(defined(options));
    if (!parsed.success) throw new ConfigurationError(`memory space: ${z.prettifyError(parsed.error)}`);
    this.#settings = parsed.data;
    this.#hooks = hooks;
    const { url, apiKey, timeoutMs, wholeTimeoutMs, dialect } = this.#settings;
    const headers: Record<string, string> = apiKey === undefined ? {} : { "X-API-KEY": apiKey };
    const secrets = apiKey === undefined ? [] : [apiKey];
    this.#http = new ServiceHttp({
      name: "Memory Space",
      url,
      headers,
      secrets,
      timeoutMs,
      wholeTimeoutMs,
      fetch: hooks.fetch,
    });
    this.#dialect = dialect === "auto" ? null : dialect;
  }

  /** Whose memories are read. */
  get context(): string {
    return this.#settings.context;
  }

  /**
   * Proves that the service answers, takes the key and knows the context: it has no call for that alone, so one item is asked for.
   * @throws {ServiceError}
   */
  async ping({ signal = NEVER }: CallOptions = {}): Promise<{ readonly dialect: Dialect | null }> {
    return { dialect: await this.#foundDialect(signal) };
  }

  /**
   * Gives the items of a span of time, each once or more often, in no order. Its return value says whether these are all of
   * them: only then does an item that is missing not exist.
   * @throws {ServiceError} Items that were given before are whole.
   */
  async *listItems(options: ListItemsOptions = {}): AsyncGenerator<MemorySpaceItem, ListingEnd> {
    const { from = null, to = null, signal = NEVER } = options;
    // An empty space answers every question alike; the next call asks again.
    const dialect = (await this.#foundDialect(signal)) ?? "range";
    const { listLimit: limit, listLimitMax } = this.#settings;
    const plan = { canDivide: dialect === "dates", limit, limitMax: Math.max(limit, listLimitMax) };
    return yield* listWindow({ from, to }, plan, (window, count) =>
      this.#page(queryOf(dialect, window, count), signal),
    );
  }

  /** Null where there is no such item. @throws {ServiceError} */
  async getItem(id: string, { signal = NEVER }: CallOptions = {}): Promise<MemorySpaceItem | null> {
    const accept = (status: number) => status === 200 || status === 404;
    const answer = await retrying(this.retry, signal, (each) =>
      this.#http.json({ path: this.#pathOf(id), accept }, ITEM_BYTES_MAX, each),
    );
    if (answer.status === 404) return null;
    const item = parseItem(answer.value);
    if (item !== null && item.id === id) return item;
    // Not null: an error with status 200 must not pass for an item that is gone.
    throw new ServiceError("permanent", `Memory Space, GET ${this.#pathOf(id)}: the answer is not this item`, {
      status: 200,
    });
  }

  /** Reads the sound of an item. Null where it has none. @param read is called once, with the bytes as they arrive. */
  getAudio<T>(id: string, read: (media: MediaStream) => Promise<T>, options: MediaOptions = {}): Promise<T | null> {
    return this.#media(id, "audio", read, options);
  }

  /** Reads the picture of an item. Null where it has none. @param read as for `getAudio`. */
  getImage<T>(id: string, read: (media: MediaStream) => Promise<T>, options: MediaOptions = {}): Promise<T | null> {
    return this.#media(id, "image", read, options);
  }

  async #media<T>(
    id: string,
    kind: MediaKind,
    read: (media: MediaStream) => Promise<T>,
    { offset = 0, validator, signal = NEVER }: MediaOptions,
  ): Promise<T | null> {
    const range =
      offset > 0 ? { range: `bytes=${offset}-`, ...(validator !== undefined && { "if-range": validator }) } : {};
    const where = `Memory Space, GET ${this.#pathOf(id)}/${kind}`;
    // Without a repetition of its own: the caller has consumed bytes, and goes on behind them.
    const answer = await this.#http.open(
      {
        path: `${this.#pathOf(id)}/${kind}`,
        // Lengths are of the file only where it is not compressed on its way.
        headers: { accept: `${kind}/*`, "accept-encoding": "identity", ...range },
        accept: (status) => status === 200 || status === 206 || status === 404,
      },
      signal,
    );
    try {
      if (answer.status === 404) return null;
      if (answer.status === 206 && offset === 0)
        throw new ServiceError("permanent", `${where}: a part came where the whole file was asked for`, {
          status: 206,
        });
      return await read(streamOf(answer, where));
    } finally {
      answer.end();
    }
  }

  /** One listing. After a failure it is asked for again from its start, so items may come twice. */
  async *#page(query: ListQuery, signal: AbortSignal): AsyncGenerator<MemorySpaceItem, ListingFacts> {
    const path = this.#pathOf();
    for (let attempt = 1; ; attempt++) {
      let answer: ServiceAnswer | null = null;
      try {
        answer = await this.#http.open({ path, query }, signal);
        const reader = new ListReader(answer.body, `Memory Space, GET ${path}`);
        yield* reader.items();
        return reader.facts;
      } catch (error) {
        if (error instanceof ServiceError && error.status === 404) throw this.#unknownContext();
        await waitAfter(error, attempt, this.retry, signal);
      } finally {
        answer?.end();
      }
    }
  }

  async #foundDialect(signal: AbortSignal): Promise<Dialect | null> {
    if (this.#dialect !== null) {
      await this.#count(queryOf("range", ALL_TIME, 1), signal);
      return this.#dialect;
    }
    this.#dialect = await detectDialect((query) => this.#count(query, signal));
    return this.#dialect;
  }

  async #count(query: ListQuery, signal: AbortSignal): Promise<number> {
    const items = this.#page(query, signal);
    for (;;) {
      const step = await items.next();
      if (step.done) return step.value.entries;
    }
  }

  /** How calls of this client are repeated. */
  get retry(): RetryOptions {
    const { attemptsMax, retryBaseMs: baseMs, retryMaxMs: maxMs, retryAfterMaxMs } = this.#settings;
    return { attemptsMax, baseMs, maxMs, retryAfterMaxMs, ...this.#hooks };
  }

  /** 404 on a listing is no empty one: taken for that, everything would count as deleted. */
  #unknownContext(): ServiceError {
    const context = JSON.stringify(this.#settings.context);
    return new ServiceError("permanent", `Memory Space does not know the context ${context}: check context and url`, {
      status: 404,
    });
  }

  #pathOf(id?: string): string {
    const context = `/memory/${pathPart(this.#settings.context)}`;
    return id === undefined ? context : `${context}/${pathPart(id)}`;
  }
}

/** @throws {ServiceError} It is a part of a file, and does not say which. */
function streamOf({ status, headers, body }: ServiceAnswer, where: string): MediaStream {
  const [, start, whole] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range")?.trim() ?? "") ?? [];
  if (status === 206 && start === undefined)
    throw new ServiceError("permanent", `${where}: the answer is a part of a file, and does not say which`, { status });
  const isPart = status === 206;
  return {
    contentType: headers.get("content-type") ?? "",
    offset: isPart ? Number(start) : 0,
    total: numberOf(isPart ? whole : headers.get("content-length")),
    validator: validatorOf(headers),
    bytes: body,
  };
}

/** Milliseconds by which an answer must be younger than its file for the file's time to name its content: it counts seconds. */
const STRONG_TIME_MS = 1_000;

/** What names a file's content to the byte (RFC 9110, 8.8): a weak ETag does not, nor a time of the second in which it was asked for. */
function validatorOf(headers: Headers): string | null {
  const [etag, modified] = [headers.get("etag"), headers.get("last-modified")];
  if (etag !== null) return etag.startsWith("W/") ? null : etag;
  const ageMs = Date.parse(headers.get("date") ?? "") - Date.parse(modified ?? "");
  return ageMs >= STRONG_TIME_MS ? modified : null;
}

function numberOf(text: string | null | undefined): number | null {
  return text != null && /^\d+$/.test(text) ? Number(text) : null;
}
