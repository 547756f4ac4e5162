import { inspect } from "node:util";
import PQueue from "p-queue";
import { AbortedError, EmbeddingError } from "../domain/errors.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import type { Embedder } from "./embedder.ts";
import { parseEmbeddingResponse, UnusableResponse } from "./embedding-response.ts";
import {
  type HttpEmbedderOptions,
  type HttpEmbedderSettings,
  parseHttpEmbedderOptions,
} from "./http-embedder-options.ts";
import { type AttemptFailure, adviceFor, innermostMessage, patternOf } from "./http-failure.ts";
import { readBody } from "./response-body.ts";
import { retryAfterMs } from "./retry-after.ts";

const EXCERPT_CHARACTERS_MAX = 300;
const ERROR_BODY_BYTES_MAX = 16_384;
/** A double is printed with at most 24 characters; the rest allows for separators and indentation. */
const BYTES_PER_COMPONENT_MAX = 64;
const ENVELOPE_BYTES_MAX = 1_048_576;

/** Some texts of a call, and where the vector of the first one goes. */
interface Batch {
  readonly start: number;
  readonly texts: readonly string[];
}

/**
 * Asks an OpenAI-compatible `/v1/embeddings` endpoint (OpenAI, Ollama, vLLM, llama.cpp, text-embeddings-inference, …).
 * Failures that may pass (network, time-out, 408, 409, 425, 429, 5xx) are retried with exponential backoff and full
 * jitter, not before a `Retry-After` is over; others fail at once. The first batch that fails for good ends the call
 * and the other batches' requests.
 *
 * The retry is our own. undici's `RetryAgent` (7.30, tried against a local server) does not serve here:
 * - under `fetch` it cannot send a POST again ("Request body length does not match content-length header");
 * - a `Retry-After` beyond its maximum is cut to the maximum, so the endpoint is asked again too early (3,600 s: after 2 s);
 * - an answer that breaks off in its body is resumed by range, which such endpoints do not support, instead of asked anew;
 * - its waits have no jitter, and one signal covers all attempts, where `timeoutMs` is per attempt;
 * - loading undici takes 18 MiB and 200 ms or more at start-up; Node's `fetch` is there already.
 */
export class HttpEmbedder implements Embedder {
  readonly model: string;
  readonly dimension: number;
  /** Private, like all that is derived from it, so that no inspection or serialisation of the embedder shows the key. */
  readonly #settings: HttpEmbedderSettings;
  readonly #keyPattern: RegExp | undefined;
  readonly #requests: PQueue;
  readonly #fetch: typeof globalThis.fetch;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #pause: (milliseconds: number, signal: AbortSignal) => Promise<void>;

  /** Sends nothing yet. @throws {ConfigurationError} An option is out of bounds. */
  constructor(options: HttpEmbedderOptions) {
    this.#settings = parseHttpEmbedderOptions(options);
    this.model = this.#settings.model;
    this.dimension = this.#settings.dimension;
    this.#keyPattern = this.#settings.apiKey === undefined ? undefined : patternOf(this.#settings.apiKey);
    this.#requests = new PQueue({ concurrency: this.#settings.concurrency });
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
    this.#pause = options.pause ?? pause;
  }

  /**
   * An empty text is sent as one space, since endpoints refuse empty ones. The endpoint refuses or cuts a text beyond
   * the model's own limit.
   */
  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    if (signal.aborted) throw new AbortedError("embedding", { cause: signal.reason });
    const vectors: Float32Array[] = new Array(texts.length);
    const call = new LinkedAbort(signal); // Fires with the caller's signal, and when a batch has failed for good.
    const batches = this.#batches(texts);
    let failure: unknown;
    // No more workers than requests may run at once, so that a long call has few waiting entries in the shared queue.
    const worker = async () => {
      for (const batch of batches) {
        let request: Promise<Float32Array[]> | undefined;
        try {
          const embedded = await this.#requests.add(() => (request = this.#embedBatch(batch.texts, call.signal)), {
            signal: call.signal,
          });
          embedded.forEach((vector, index) => {
            vectors[batch.start + index] = vector;
          });
        } catch (error) {
          failure ??= signal.aborted ? new AbortedError("embedding", { cause: signal.reason }) : error;
          call.abort();
          await request?.catch(() => undefined); // On abort the queue rejects at once; the request ends a moment later.
          return;
        }
      }
    };
    await Promise.all(Array.from({ length: this.#settings.concurrency }, worker));
    call.release();
    if (failure !== undefined) throw failure;
    return vectors;
  }

  *#batches(texts: readonly string[]): Generator<Batch> {
    const { batchSizeMax, batchLengthMax } = this.#settings;
    let start = 0;
    while (start < texts.length) {
      let end = start;
      let length = 0;
      while (end < texts.length && end - start < batchSizeMax) {
        length += texts[end]!.length;
        if (length > batchLengthMax && end > start) break;
        end += 1;
      }
      yield { start, texts: texts.slice(start, end) };
      start = end;
    }
  }

  async #embedBatch(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    const { retriesMax, retryAfterMaxMs, backoffBaseMs: baseMs, backoffMaxMs: maxMs } = this.#settings;
    const backoff = { baseMs, maxMs, random: this.#random };
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(texts, signal);
      if (Array.isArray(outcome)) return outcome;
      if (signal.aborted) throw new AbortedError("embedding", { cause: signal.reason });
      const askedMs = outcome.retryAfterMs ?? 0;
      if (!outcome.retryable || attempt > retriesMax || askedMs > retryAfterMaxMs) {
        throw this.#error(outcome, attempt, askedMs);
      }
      await this.#pause(askedMs + backoffMs(attempt, backoff), signal);
      if (signal.aborted) throw new AbortedError("embedding", { cause: signal.reason });
    }
  }

  /** One request. Never rejects: what went wrong is returned, an abort included. */
  async #attempt(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[] | AttemptFailure> {
    const { url, timeoutMs } = this.#settings;
    const deadline = new LinkedAbort(signal, timeoutMs);
    try {
      const response = await this.#fetch(url, {
        method: "POST",
        headers: this.#headers(),
        body: this.#requestBody(texts),
        redirect: "manual", // Following one would turn POST into GET, and could carry memories elsewhere.
        signal: deadline.signal,
      });
      if (!response.ok) return await this.#refusal(response);
      const bytesMax = ENVELOPE_BYTES_MAX + texts.length * this.dimension * BYTES_PER_COMPONENT_MAX;
      const body = await readBody(response, bytesMax);
      if (!body.complete) throw new UnusableResponse(`more than ${bytesMax} bytes`);
      return parseEmbeddingResponse(body.text, { count: texts.length, dimension: this.dimension });
    } catch (cause) {
      if (cause instanceof UnusableResponse) {
        return {
          what: `gave an unusable answer: ${cause.message}`,
          advice: "check that url is an embeddings endpoint, and that model and dimension belong together",
          retryable: false,
          cause,
        };
      }
      if (deadline.timedOut) {
        return {
          what: `gave no answer within ${timeoutMs} ms`,
          advice: "raise timeoutMs, lower batchSizeMax, or try again when the endpoint is less busy",
          retryable: true,
          cause,
        };
      }
      return {
        what: `could not be reached: ${this.#excerpt(innermostMessage(cause))}`,
        advice: "check url and the network, or try again later",
        retryable: true,
        cause,
      };
    } finally {
      deadline.release();
    }
  }

  #headers(): Record<string, string> {
    const headers: Record<string, string> = { accept: "application/json", "content-type": "application/json" };
    if (this.#settings.apiKey !== undefined) headers.authorization = `Bearer ${this.#settings.apiKey}`;
    return headers;
  }

  #requestBody(texts: readonly string[]): string {
    return JSON.stringify({
      model: this.model,
      input: texts.map((text) => (text === "" ? " " : text)),
      encoding_format: "float",
      ...(this.#settings.sendDimension ? { dimensions: this.dimension } : {}),
    });
  }

  async #refusal(response: Response): Promise<AttemptFailure> {
    const { status } = response;
    // The status is sufficient: a body that breaks off must not turn a refusal into a network failure.
    const body = await readBody(response, ERROR_BODY_BYTES_MAX).catch(() => undefined);
    const excerpt = this.#excerpt(body?.text ?? "");
    return {
      what: excerpt === "" ? `answered ${status}` : `answered ${status}: ${excerpt}`,
      advice: adviceFor(status),
      retryable: [408, 409, 425, 429].includes(status) || status >= 500,
      retryAfterMs: retryAfterMs(response.headers.get("retry-after"), this.#now()),
    };
  }

  /** Some endpoints repeat the key that they refuse. Taken out before cutting: a cut key would not be found. */
  #excerpt(text: string): string {
    const line = text.replace(/\s+/g, " ").trim();
    const withoutKey = this.#keyPattern === undefined ? line : line.replaceAll(this.#keyPattern, "[apiKey]");
    return withoutKey.slice(0, EXCERPT_CHARACTERS_MAX);
  }

  #error(failure: AttemptFailure, attempts: number, askedMs: number): EmbeddingError {
    const { url, retryAfterMaxMs } = this.#settings;
    const tries = attempts === 1 ? "" : ` (attempt ${attempts}, the last)`;
    const asked =
      askedMs > retryAfterMaxMs
        ? `; it asks to wait ${Math.ceil(askedMs / 1000)} s, longer than retryAfterMaxMs allows`
        : "";
    // A fetch of the caller's own may quote its request in what it throws.
    const quotesKey =
      this.#keyPattern !== undefined && inspect(failure.cause, { depth: 10 }).search(this.#keyPattern) >= 0;
    const cause = failure.cause === undefined || quotesKey ? {} : { cause: failure.cause };
    return new EmbeddingError(
      `${url.origin}${url.pathname} ${failure.what}${tries}${asked}. Model ${JSON.stringify(this.model)}. ` +
        `What to do: ${failure.advice}`,
      { retryable: failure.retryable, ...cause },
    );
  }
}
