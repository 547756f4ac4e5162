import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseTime } from "../../../src/connectors/memory-space/times.ts";

/** An item as a server keeps it: any fields. `created_at` is what listings filter and sort by. */
export type StoredItem = Record<string, unknown> & { id: string; created_at: string };

/** A fault of the next requests of a path. */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The head and half of the body, then the connection is cut. */
  | { readonly kind: "half" }
  /** The head, then nothing. */
  | { readonly kind: "stall" };

export interface MemorySpaceServerOptions {
  readonly context?: string;
  readonly apiKey?: string | null;
  /** The filters that the server understands, `range` apart, which all of them do. */
  readonly filters?: readonly ("dates" | "since")[];
  /** Times of filters are cut to their day, both ends included. */
  readonly byDay?: boolean;
  /** Items that a listing gives where no limit is asked for. */
  readonly limitDefault?: number;
  /** Items that a listing gives at most, whatever is asked for. */
  readonly limitMax?: number;
  /** Whether an answer says the limit that was kept to. */
  readonly saysLimit?: boolean;
  /** The key of the items; null: a bare array. */
  readonly key?: string | null;
  readonly order?: "newest" | "stored";
  /** Time of "now" for ranges. */
  readonly now?: () => number;
}

const DAY_MS = 86_400_000;
const RANGE_DAYS: Record<string, number> = { day: 1, week: 7, month: 31, year: 366 };

export interface MediaFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag?: string;
  /** HTTP date. */
  readonly modified?: string;
}

export interface MediaQuirks {
  /** `If-Range` is not known: the rest of whatever the file is by now is sent. */
  readonly ignoresIfRange?: boolean;
  /** Where the part begins that is sent in place of the one that was asked for. */
  readonly startsAt?: (asked: number) => number;
  /** A part does not say which one it is. */
  readonly saysNoRange?: boolean;
  /** A part does not name its file's content. */
  readonly partsAreUnnamed?: boolean;
}

/** A stand-in for Memory Space, as its published descriptions and its clients' behaviour have it. Each fact has a test. */
export class MemorySpaceServer {
  readonly items = new Map<string, StoredItem>();
  /** Files by `<id>/<kind>`. */
  readonly media = new Map<string, MediaFile>();
  /** How a server deviates when it sends a part of a file. */
  mediaQuirks: MediaQuirks = {};
  /** Requests in order: method, path with query, and headers. */
  readonly requests: { readonly url: string; readonly headers: IncomingMessage["headers"] }[] = [];
  /** Faults of the next requests, in order. */
  readonly faults: Fault[] = [];
  /** A fault of a request by its path and query. */
  faultOf: (url: string) => Fault | null = () => null;
  readonly context: string;
  readonly #options: MemorySpaceServerOptions;
  readonly #server: Server;

  private constructor(options: MemorySpaceServerOptions) {
    this.#options = options;
    this.context = options.context ?? "107677460544181387647___mft";
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(options: MemorySpaceServerOptions = {}): Promise<MemorySpaceServer> {
    const server = new MemorySpaceServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  put(item: StoredItem): void {
    this.items.set(item.id, item);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push({ url: request.url ?? "", headers: request.headers });
    const fault = this.faultOf(request.url ?? "") ?? this.faults.shift();
    if (fault?.kind === "status") {
      response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
      return;
    }
    const url = new URL(request.url ?? "", "http://service");
    const [, root, context, id = "", kind] = url.pathname.split("/").map(decodeURIComponent);
    const file = this.media.get(`${id}/${kind}`);
    const { apiKey = "secret-key" } = this.#options;
    const item = this.items.get(id);
    if (apiKey !== null && request.headers["x-api-key"] !== apiKey) json(response, 401, { error: "bad key" }, fault);
    else if (root !== "memory" || context !== this.context) json(response, 404, { error: "unknown context" }, fault);
    else if (id === "") json(response, 200, this.#listing(url.searchParams), fault);
    else if (kind !== undefined && file === undefined) response.writeHead(404).end();
    else if (kind !== undefined && file !== undefined) sendFile(request, response, file, this.mediaQuirks, fault);
    else json(response, item === undefined ? 404 : 200, item ?? { error: "no such item" }, fault);
  }

  #listing(query: URLSearchParams): unknown {
    const {
      filters = ["dates"],
      limitDefault = 10,
      limitMax = 100_000,
      saysLimit = true,
      key = "memories",
    } = this.#options;
    const { order = "newest", now = Date.now } = this.#options;
    let [from, to] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const since = query.get("since");
    if (query.has("startDate") && filters.includes("dates")) {
      from = this.#bound(query.get("startDate"), 0);
      to = this.#bound(query.get("endDate"), DAY_MS - 1);
    } else if (since !== null && filters.includes("since")) {
      from = this.#bound(since, 0);
    } else {
      const range = query.get("range") ?? "week";
      if (range !== "all") from = now() - (RANGE_DAYS[range] ?? 7) * DAY_MS;
    }
    const limit = Math.min(Number(query.get("limit") ?? limitDefault), limitMax);
    const found = [...this.items.values()].filter((item) => {
      const time = Math.max(parseTime(item.created_at) ?? 0, parseTime(item.updated_at) ?? 0);
      return time >= from && (parseTime(item.created_at) ?? 0) <= to;
    });
    if (order === "newest") found.sort((a, b) => (parseTime(b.created_at) ?? 0) - (parseTime(a.created_at) ?? 0));
    const page = found.slice(0, limit);
    if (key === null) return page;
    return { context_id: this.context, [key]: page, ...(saysLimit && { limit }), range: query.get("range") ?? "week" };
  }

  #bound(text: string | null, ofDay: number): number {
    const time = parseTime(text) ?? 0;
    return this.#options.byDay === true ? Math.floor(time / DAY_MS) * DAY_MS + ofDay : time;
  }
}

function json(response: ServerResponse, status: number, value: unknown, fault: Fault | undefined): void {
  const text = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  if (fault === undefined) {
    response.end(text);
    return;
  }
  response.write(text.slice(0, text.length / 2), () => {
    if (fault.kind === "half") response.destroy();
  });
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  { type, bytes, etag, modified }: MediaFile,
  quirks: MediaQuirks,
  fault: Fault | undefined,
): void {
  const { range: asked = "", "if-range": wanted } = request.headers;
  const isOther = wanted !== undefined && wanted !== (etag ?? modified) && quirks.ignoresIfRange !== true;
  const [, start] = /^bytes=(\d+)-$/.exec(isOther ? "" : asked) ?? [];
  if (Number(start ?? 0) >= bytes.length && start !== undefined) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    return;
  }
  const isPart = start !== undefined;
  const offset = isPart ? (quirks.startsAt?.(Number(start)) ?? Number(start)) : 0;
  const rest = bytes.subarray(offset);
  const isNamed = !isPart || quirks.partsAreUnnamed !== true;
  response.writeHead(isPart ? 206 : 200, {
    "content-type": type,
    "content-length": rest.length,
    ...(isNamed && etag !== undefined && { etag }),
    ...(isNamed && modified !== undefined && { "last-modified": modified }),
    ...(isPart &&
      quirks.saysNoRange !== true && { "content-range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (fault === undefined) {
    response.end(rest);
    return;
  }
  response.write(rest.subarray(0, rest.length / 2), () => {
    if (fault.kind === "half") response.destroy();
  });
}
