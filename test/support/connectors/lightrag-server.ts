import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Answer, LightRagState, type LightRagVersion, PROCESS_MS, type StoredDocument } from "./lightrag-state.ts";
import { REAL_CLOCK, type SimulatedClock } from "./virtual-clock.ts";

export interface LightRagServerOptions {
  readonly version?: LightRagVersion;
  readonly apiKey?: string | null;
  /** @default real timers */
  readonly clock?: SimulatedClock;
  /** Milliseconds that the language model takes for a document. @default 200 */
  readonly processMs?: number;
}

const STATES_OLD = ["pending", "processing", "preprocessed", "processed", "failed"];
const STATES_NEW = ["pending", "parsing", "analyzing", "processing", "preprocessed", "processed", "failed"];
const SORT_FIELDS = new Set(["created_at", "updated_at", "id", "file_path"]);

type Handler = (body: Record<string, unknown>, path: readonly string[]) => Answer;

/** A stand-in for LightRAG over HTTP. Each observed fact that it has is a test in `lightrag-server.test.ts`. */
export class LightRagServer {
  readonly state: LightRagState;
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingMessage["headers"];
  }[] = [];
  /** Called with each request before it is answered; what it returns is answered in its place. */
  intercept: (method: string, path: string) => Answer | "cut" | null = () => null;
  readonly #apiKey: string | null;
  readonly #server: Server;
  readonly #handlers: Record<string, Handler>;

  private constructor({
    version = "1.5.6",
    apiKey = "rag-key",
    clock = REAL_CLOCK,
    processMs = PROCESS_MS,
  }: LightRagServerOptions) {
    this.state = new LightRagState(version, clock, processMs);
    this.#apiKey = apiKey;
    this.#handlers = this.#routes();
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: LightRagServerOptions = {}): Promise<LightRagServer> {
    const server = new LightRagServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #routes(): Record<string, Handler> {
    const { state } = this;
    const states = state.isNew ? STATES_NEW : STATES_OLD;
    return {
      "GET /openapi.json": () => ok({ components: { schemas: { DocStatus: { enum: states } } } }),
      "GET /health": () => ok({ status: "healthy" }),
      "POST /documents/text": ({ text, file_source: source }) => {
        if (typeof text !== "string" || text === "")
          return { status: 422, body: { detail: [{ msg: "text is missing" }] } };
        return state.insert(text, typeof source === "string" ? source : null);
      },
      "GET /documents/track_status": (_, [, , trackId]) => {
        const documents = state.visible().filter((document) => document.trackId === trackId);
        const summary: Record<string, number> = {};
        for (const { status } of documents) summary[summaryKey(status)] = (summary[summaryKey(status)] ?? 0) + 1;
        return ok({
          track_id: trackId,
          documents: documents.map(shown),
          total_count: documents.length,
          status_summary: summary,
        });
      },
      "POST /documents/paginated": (query) => this.#page(query, states),
      "DELETE /documents/delete_document": ({ doc_ids: ids }) => state.delete(Array.isArray(ids) ? ids : []),
      "GET /documents/pipeline_status": () => ok({ busy: state.busy, latest_message: "" }),
      "POST /documents/reprocess_failed": () => state.reprocessFailed(),
      "POST /documents/cancel_pipeline": () => state.cancelPipeline(),
    };
  }

  #page(query: Record<string, unknown>, states: readonly string[]): Answer {
    const { page = 1, page_size: size = 50, sort_field: field = "updated_at", status_filter: filter = null } = query;
    const isSize = typeof size === "number" && size >= 10 && size <= 200;
    if (!isSize || typeof page !== "number" || !SORT_FIELDS.has(String(field)))
      return { status: 422, body: { detail: "bad page" } };
    if (filter !== null && !states.includes(String(filter)))
      return { status: 422, body: { detail: "bad status_filter" } };
    if (this.state.listingIsBroken) return { status: 500, body: { detail: "file_path is None" } };
    const found = this.state.visible().filter(({ status }) => filter === null || status === filter);
    found.sort((a, b) => (a.id < b.id ? -1 : 1));
    const documents = found.slice((page - 1) * size, page * size).map(shown);
    return ok({ documents, pagination: { page, page_size: size, total_count: found.length }, status_counts: {} });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", headers } = request;
    const path = (request.url ?? "").split("?")[0] ?? "";
    this.requests.push({ method, path, headers });
    const text = await textOf(request);
    const answer = this.intercept(method, path) ?? this.#answer(method, path, headers, text);
    if (answer === "cut") {
      response.destroy();
      return;
    }
    const body = JSON.stringify(answer.body);
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers }).end(body);
  }

  #answer(method: string, path: string, headers: IncomingMessage["headers"], text: string): Answer {
    if (path === "/health" && headers["lightrag-workspace"] !== undefined)
      return { status: 500, body: { detail: "workspace" } };
    const isPublic = path === "/health" || path === "/openapi.json";
    if (!isPublic && this.#apiKey !== null) {
      if (headers.authorization !== undefined) return { status: 401, body: { detail: "Invalid token" } };
      if (headers["x-api-key"] !== this.#apiKey) return { status: 403, body: { detail: "API Key required" } };
    }
    const parts = path.split("/").slice(1).map(decodeURIComponent);
    const handler = this.#handlers[`${method} ${path}`] ?? this.#handlers[`${method} /${parts.slice(0, 2).join("/")}`];
    if (handler === undefined) return { status: 404, body: { detail: "Not Found" } };
    return handler(text === "" ? {} : (JSON.parse(text) as Record<string, unknown>), parts);
  }
}

function shown({ id, text, name, trackId, status, error, duplicateOf }: StoredDocument): Record<string, unknown> {
  return {
    id,
    content_summary: text.slice(0, 100),
    content_length: text.length,
    status,
    track_id: trackId,
    error_msg: error,
    file_path: name,
    metadata: duplicateOf === null ? {} : { is_duplicate: true, original_doc_id: duplicateOf },
  };
}

function summaryKey(status: string): string {
  return `DocStatus.${status.toUpperCase()}`;
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
