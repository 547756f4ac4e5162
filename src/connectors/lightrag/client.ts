import * as z from "zod";
import { ConfigurationError } from "../../domain/errors.ts";
import { isObject } from "../../domain/json.ts";
import { defined } from "../../domain/settings.ts";
import { isPathPart, pathPart } from "../service/request-parts.ts";
import { type RetryOptions, retrying } from "../service/retrying.ts";
import { ServiceError } from "../service/service-error.ts";
import { ServiceHttp, type ServiceRequest } from "../service/service-http.ts";
import { parseDocument, type RagDocument } from "./documents.ts";
import { type LightRagOptions, type LightRagSettings, lightRagSettings } from "./settings.ts";

/** The two contracts that servers have. */
export type Contract = "1.4" | "1.5";

/**
 * What the server said to a text:
 * - `sent`: taken in, and not delivered: it is lost where the server dies within a second or two.
 * - `exists`: it has, or is just receiving, a document of this name or text. Only a listing tells which.
 * - `later`: it does not take texts now.
 */
export type InsertAnswer =
  | { readonly outcome: "sent"; readonly trackId: string }
  | { readonly outcome: "exists"; readonly reason: string }
  | { readonly outcome: "later"; readonly reason: string };

/** Bytes of one answer, at most. A page holds 200 documents with summaries. */
const ANSWER_BYTES_MAX = 16_777_216;
/** The description of the API has some hundred kilobytes. */
const DESCRIPTION_BYTES_MAX = 16_777_216;
/** The server takes 10 to 200. */
const PAGE_SIZE = 200;
/** Pages of one listing, at most: 4,000,000 documents. */
const PAGES_MAX = 20_000;
const REASON_LENGTH_MAX = 300;

/** Calls a LightRAG server. Reading calls are repeated after failures that pass; those that change something are not. */
export class LightRagClient {
  readonly #settings: LightRagSettings;
  readonly #http: ServiceHttp;
  readonly #hooks: Partial<RetryOptions>;
  #contract: Contract | null;

  /** @throws {ConfigurationError} naming the option. */
  constructor(options: LightRagOptions, hooks: Partial<RetryOptions> & { fetch?: typeof globalThis.fetch } = {}) {
    const parsed = lightRagSettings().safeParse(defined(options));
    if (!parsed.success) throw new ConfigurationError(`lightrag: ${z.prettifyError(parsed.error)}`);
    this.#settings = parsed.data;
    const { url, apiKey, bearer, timeoutMs, wholeTimeoutMs, contract } = this.#settings;
    const { fetch, ...retry } = hooks;
    this.#hooks = retry;
    this.#http = new ServiceHttp({
      name: "LightRAG",
      url,
      // One of them only: a bad bearer is refused even beside a good key.
      headers:
        apiKey !== undefined
          ? { "X-API-Key": apiKey }
          : bearer !== undefined
            ? { authorization: `Bearer ${bearer}` }
            : {},
      secrets: [apiKey, bearer].filter((secret) => secret !== undefined),
      timeoutMs,
      wholeTimeoutMs,
      fetch,
    });
    this.#contract = contract === "auto" ? null : contract;
  }

  /** The server's contract, read from its description of its API, which is public. @throws {ServiceError} */
  async contract(signal: AbortSignal): Promise<Contract> {
    if (this.#contract !== null) return this.#contract;
    const { value } = await this.#read({ path: "/openapi.json" }, signal, DESCRIPTION_BYTES_MAX);
    this.#contract = contractOf(value);
    return this.#contract;
  }

  /** Proves that the server takes the key: `/health` answers anybody, so a page of documents is asked for. @throws {ServiceError} */
  async ping(signal: AbortSignal): Promise<{ readonly contract: Contract; readonly documents: number }> {
    const contract = await this.contract(signal);
    const { value } = await this.#read(pageRequest(1, 10), signal);
    return { contract, documents: totalOf(value) };
  }

  /** @throws {ServiceError} The server refuses the text for good, or gave no answer: then it may have taken it. */
  async insert(name: string, text: string, signal: AbortSignal): Promise<InsertAnswer> {
    const request: ServiceRequest = {
      method: "POST",
      path: "/documents/text",
      body: { text, file_source: name },
      accept: (status) => (status >= 200 && status < 300) || status === 409,
    };
    const { status, value } = await this.#http.json(request, ANSWER_BYTES_MAX, signal);
    const said = saidOf(value);
    // 409 with a document of that name is permanent; all others pass: a deletion or a retry of failed ones is under way.
    if (status === 409) return { outcome: /already (contains|exists)/i.test(said) ? "exists" : "later", reason: said };
    const outcome = isObject(value) ? value.status : undefined;
    if (outcome === "duplicated") return { outcome: "exists", reason: said };
    const given = isObject(value) ? value.track_id : undefined;
    const trackId = typeof given === "string" && isPathPart(given) ? given : "";
    if (outcome === "success") return { outcome: "sent", trackId };
    throw new ServiceError(
      "permanent",
      `LightRAG, POST /documents/text: the answer is ${JSON.stringify(outcome)}: ${said}`,
      { status },
    );
  }

  /** The documents of one insert: none for some milliseconds after it, and for ever where it was lost. @throws {ServiceError} */
  async documentsOfTrack(trackId: string, signal: AbortSignal): Promise<RagDocument[]> {
    const { value } = await this.#read({ path: `/documents/track_status/${pathPart(trackId)}` }, signal);
    return documentsIn(value);
  }

  /**
   * Every document of the server, in the order of their ids. A document that appears or goes while the pages are read may be
   * missed, or be told twice.
   * @throws {ServiceError}
   */
  async *documents(signal: AbortSignal): AsyncGenerator<RagDocument, void> {
    for (let page = 1; page <= PAGES_MAX; page++) {
      const { value } = await this.#read(pageRequest(page, PAGE_SIZE), signal);
      const documents = documentsIn(value);
      yield* documents;
      if (page * PAGE_SIZE >= totalOf(value)) return;
    }
    throw new ServiceError("permanent", `LightRAG lists more than ${PAGES_MAX * PAGE_SIZE} documents`);
  }

  /**
   * Begins to delete documents. @param ids one at least, each once: the server answers 500 otherwise.
   * @returns false while the server is busy: nothing was begun. True says nothing about what is there: unknown ids are accepted.
   * @throws {ServiceError}
   */
  async deleteDocuments(ids: readonly string[], signal: AbortSignal): Promise<boolean> {
    if (ids.length === 0 || new Set(ids).size < ids.length) {
      throw new ServiceError("permanent", "a deletion at LightRAG names each document once, and one at least");
    }
    const body = { doc_ids: ids, delete_file: false, delete_llm_cache: false };
    const request: ServiceRequest = { method: "DELETE", path: "/documents/delete_document", body };
    const { value } = await this.#http.json(request, ANSWER_BYTES_MAX, signal);
    const status = isObject(value) ? value.status : undefined;
    if (status === "deletion_started") return true;
    if (status === "busy" || status === "not_allowed") return false;
    throw new ServiceError(
      "permanent",
      `LightRAG, DELETE /documents/delete_document: the answer is ${JSON.stringify(status)}: ${saidOf(value)}`,
    );
  }

  /** Whether the server works on documents, or deletes some. @throws {ServiceError} */
  async isBusy(signal: AbortSignal): Promise<boolean> {
    const { value } = await this.#read({ path: "/documents/pipeline_status" }, signal);
    return isObject(value) && value.busy === true;
  }

  /**
   * Has the server try failed and forgotten documents again: all of them. Only while it is idle, and has such documents: version
   * 1.5.6 stays busy for ever otherwise.
   * @throws {ServiceError}
   */
  async reprocessFailed(signal: AbortSignal): Promise<void> {
    await this.#http.json({ method: "POST", path: "/documents/reprocess_failed", body: {} }, ANSWER_BYTES_MAX, signal);
  }

  async #read(request: ServiceRequest, signal: AbortSignal, bytesMax = ANSWER_BYTES_MAX): Promise<{ value: unknown }> {
    const { attemptsMax, retryBaseMs: baseMs, retryMaxMs: maxMs, retryAfterMaxMs } = this.#settings;
    const options = { attemptsMax, baseMs, maxMs, retryAfterMaxMs, ...this.#hooks };
    return await retrying(options, signal, (each) => this.#http.json(request, bytesMax, each));
  }
}

/** Sorted by id, so that pages do not shift while documents change their state. */
function pageRequest(page: number, pageSize: number): ServiceRequest {
  const body = { page, page_size: pageSize, sort_field: "id", sort_direction: "asc" };
  return { method: "POST", path: "/documents/paginated", body };
}

function documentsIn(value: unknown): RagDocument[] {
  const documents = isObject(value) ? value.documents : null;
  if (!Array.isArray(documents)) {
    throw new ServiceError("permanent", "LightRAG's answer lists no documents. Is this the address of its API?");
  }
  return documents.map(parseDocument).filter((document) => document !== null);
}

/** Without a total the first page would look like all of them. */
function totalOf(value: unknown): number {
  const pagination = isObject(value) && isObject(value.pagination) ? value.pagination : {};
  if (typeof pagination.total_count === "number") return pagination.total_count;
  throw new ServiceError("permanent", "LightRAG's listing does not say how many documents there are");
}

/** `DocStatus` of contract 1.5 knows the state `parsing`. */
function contractOf(description: unknown): Contract {
  const components = isObject(description) && isObject(description.components) ? description.components : {};
  const schemas = isObject(components.schemas) ? components.schemas : {};
  const states = isObject(schemas.DocStatus) ? schemas.DocStatus.enum : null;
  if (!Array.isArray(states)) {
    throw new ServiceError(
      "permanent",
      "LightRAG's /openapi.json has no DocStatus. Set contract, if this is a LightRAG server",
    );
  }
  return states.includes("parsing") ? "1.5" : "1.4";
}

function saidOf(value: unknown): string {
  if (!isObject(value)) return "";
  const said = value.message ?? value.detail ?? "";
  return (typeof said === "string" ? said : JSON.stringify(said)).slice(0, REASON_LENGTH_MAX);
}
