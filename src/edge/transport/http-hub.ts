import { isTransientStatus, retryAfterMs } from "../../embed/retry-after.ts";
import { type ChangesOptions, type ChangesPage, changesPageSchema } from "../../hub/protocol/changes.ts";
import { HUB_ERROR_CODES, HubError, type HubErrorCode, type ResyncReason } from "../../hub/protocol/codes.ts";
import type { Hub } from "../../hub/protocol/hub.ts";
import { HUB_PATHS, type HubIdentity, hubIdentitySchema, PROTOCOL_VERSIONS } from "../../hub/protocol/identity.ts";
import { type PushAnswers, type PushChanges, pushAnswersSchema } from "../../hub/protocol/push.ts";
import { packed } from "../../runtime/gzip.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import { type SendRequest, sendOverFetch, sendOverHttp } from "./http-request.ts";
import { parseAnswer } from "./parse-answer.ts";
import { plainAnswers } from "./plain-push-answers.ts";

export interface HttpHubOptions {
  /** Where the hub is, with a path where it is served below one. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  readonly device: string;
  readonly deviceName?: string | undefined;
  /** Milliseconds in which the hub must answer; a waiting request may take its waiting time longer. */
  readonly timeoutMs: number;
  /** @default Node's own client, with the connections of its global agent */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Reads the bytes of a page, in another thread for instance: reading thousands of them would hold up this one, and fill its memory.
   * @throws {HubError} @default here
   */
  readonly readPage?: ((bytes: Uint8Array) => Promise<ChangesPage>) | undefined;
}

/** Bytes of an answer, at most. A page holds at most 8 MiB of documents. */
const ANSWER_BYTES_MAX = 67_108_864;
/** Smaller bodies are sent as they are: gzip would make them larger. */
const GZIP_BYTES_MIN = 1_024;

/** The hub over HTTP: `mnemosync serve`. */
export class HttpHub implements Hub {
  readonly #options: HttpHubOptions;
  readonly #base: string;
  readonly #send: SendRequest;
  readonly #closing = new AbortController();

  constructor(options: HttpHubOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, "");
    this.#send = options.fetch === undefined ? sendOverHttp : sendOverFetch(options.fetch);
  }

  async identify(signal: AbortSignal): Promise<HubIdentity> {
    const { device, deviceName, timeoutMs } = this.#options;
    const name = deviceName === undefined ? {} : { name: deviceName };
    const body = { device, ...name, protocolVersions: PROTOCOL_VERSIONS };
    const bytes = await this.#call("POST", HUB_PATHS.identify, body, timeoutMs, signal);
    return parseAnswer(hubIdentitySchema(), bytes);
  }

  async push(push: PushChanges, signal: AbortSignal): Promise<PushAnswers> {
    const body = { device: this.#options.device, ...push };
    const bytes = await this.#call("POST", HUB_PATHS.push, body, this.#options.timeoutMs, signal);
    return parseAnswer(pushAnswersSchema(), bytes, plainAnswers);
  }

  async changesAfter(cursor: string | null, options: ChangesOptions, signal: AbortSignal): Promise<ChangesPage> {
    const query = new URLSearchParams({
      device: this.#options.device,
      limit: String(options.limit),
      waitMs: String(options.waitMs),
    });
    if (cursor !== null) query.set("cursor", cursor);
    for (const namespace of options.namespaces ?? []) query.append("namespace", namespace);
    const timeoutMs = this.#options.timeoutMs + options.waitMs;
    const bytes = await this.#call("GET", `${HUB_PATHS.changes}?${query}`, null, timeoutMs, signal);
    return (await this.#options.readPage?.(bytes)) ?? parseAnswer(changesPageSchema(), bytes);
  }

  async close(): Promise<void> {
    this.#closing.abort(new HubError("SYNC_CONNECTION", "the connection to the hub was closed"));
  }

  async #call(
    method: string,
    path: string,
    body: unknown,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    signal.throwIfAborted();
    const open = new LinkedAbort(this.#closing.signal, timeoutMs);
    const forget = onAbort(signal, () => open.abort(signal.reason));
    try {
      const { headers, bytes } = await encodingOf(body);
      const sent = { ...headers, accept: "application/json", ...this.#authorization() };
      const request = { method, headers: sent, body: bytes, signal: open.signal };
      const answer = await this.#send(this.#base + path, request, ANSWER_BYTES_MAX);
      if (answer.bytes === null) throw new HubError("INTERNAL", `the hub's answer is over ${ANSWER_BYTES_MAX} bytes`);
      if (answer.status !== 200) throw this.#refusal(answer.status, answer.retryAfter, answer.bytes.toString("utf8"));
      return answer.bytes;
    } catch (error) {
      if (error instanceof HubError) throw error;
      if (open.signal.aborted && !open.timedOut) throw open.signal.reason;
      const reason = open.timedOut ? `no answer within ${timeoutMs} ms` : innermost(error);
      throw new HubError("SYNC_CONNECTION", `the hub cannot be reached: ${reason}`, { cause: error });
    } finally {
      forget();
      open.release();
    }
  }

  #authorization(): Record<string, string> {
    const { apiKey } = this.#options;
    return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  #refusal(status: number, retryAfter: string | null, text: string): HubError {
    const problem = problemOf(text);
    const said = `the hub answered ${status}: ${problem.detail ?? problem.title ?? "without a reason"}`;
    const afterMs = retryAfterMs(retryAfter, Date.now()) ?? null;
    if (isTransientStatus(status)) return new HubError("SYNC_CONNECTION", said, { retryAfterMs: afterMs });
    if (problem.code === "RESYNC_REQUIRED") {
      const reason: ResyncReason = problem.reason === "tombstones" ? "tombstones" : "epoch";
      return new HubError("RESYNC_REQUIRED", said, { resync: { reason, epoch: problem.epoch ?? "" } });
    }
    return new HubError(codeOf(status, problem.code), said);
  }
}

interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly reason?: string;
  readonly epoch?: string;
}

function problemOf(text: string): Problem {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Problem) : {};
  } catch {
    return {}; // A proxy's page, for example.
  }
}

function codeOf(status: number, code: string | undefined): HubErrorCode {
  if (code !== undefined && (HUB_ERROR_CODES as readonly string[]).includes(code)) return code as HubErrorCode;
  if (status === 401) return "UNAUTHENTICATED";
  if (status === 403) return "FORBIDDEN";
  if (status === 413 || status === 422 || status === 400) return "SYNC_BATCH";
  // 404 and redirects: the address is not that of a hub.
  return "INTERNAL";
}

async function encodingOf(
  body: unknown,
): Promise<{ headers: Record<string, string>; bytes: Uint8Array<ArrayBuffer> | null }> {
  if (body === null) return { headers: {}, bytes: null };
  const plain = Buffer.from(JSON.stringify(body), "utf8");
  const headers = { "content-type": "application/json" };
  if (plain.byteLength < GZIP_BYTES_MIN) return { headers, bytes: plain };
  return { headers: { ...headers, "content-encoding": "gzip" }, bytes: (await packed(plain)) as Buffer<ArrayBuffer> };
}

/** fetch says "fetch failed" and keeps the reason in `cause`. */
function innermost(error: unknown): string {
  let found = error;
  for (let depth = 0; depth < 5 && found instanceof Error && found.cause instanceof Error; depth++) found = found.cause;
  return found instanceof Error ? found.message || found.name : String(found);
}
