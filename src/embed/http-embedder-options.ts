import * as z from "zod";
import { ConfigurationError } from "../domain/errors.ts";
import { lazily } from "../domain/lazily.ts";
import { httpEmbedderSettings } from "./settings.ts";

export interface HttpEmbedderOptions {
  /**
   * The endpoint, e.g. `https://api.openai.com/v1/embeddings`. A base that ends in `/v1` gets `/embeddings` appended,
   * and a bare host `/v1/embeddings`. Without user name and password; a query is sent and never shown.
   */
  url: string | URL;
  /** Sent to the endpoint, and the `model` of the embedder. */
  model: string;
  /** What the model answers with. Every answer is checked against it. 1 to 65_536. */
  dimension: number;
  /** Sent as `Authorization: Bearer …`; no such header without. Appears in no error, log or dump of the embedder. */
  apiKey?: string | undefined;
  /**
   * Whether to ask for `dimension` in the request, for models that can shorten their vectors. Others refuse it.
   * @default false
   */
  sendDimension?: boolean | undefined;
  /** Texts in a request at most. 1 to 2_048. @default 64 */
  batchSizeMax?: number | undefined;
  /**
   * Code units in a request at most; a single text that is longer goes alone. OpenAI takes 300_000 tokens a request.
   * @default 200_000
   */
  batchLengthMax?: number | undefined;
  /** Requests under way at once, over all calls of this embedder. 1 to 64. @default 2 */
  concurrency?: number | undefined;
  /** Milliseconds a single request may take, its answer included. 1 to 600_000. @default 30_000 */
  timeoutMs?: number | undefined;
  /** Times a request is sent again after a failure that may pass. 0 to 20. @default 3 */
  retriesMax?: number | undefined;
  /**
   * Milliseconds of the first wait at most; each further one may be twice as long. The wait is drawn between 0 and
   * that ("full jitter"), so that clients that failed together do not return together.
   * @default 500
   */
  backoffBaseMs?: number | undefined;
  /** Milliseconds that a drawn wait never exceeds. @default 20_000 */
  backoffMaxMs?: number | undefined;
  /**
   * Milliseconds of `Retry-After` that are waited out. An endpoint that asks for more makes the call fail at once:
   * asking it earlier would be refused again.
   * @default 60_000
   */
  retryAfterMaxMs?: number | undefined;
  /** For tests and proxies. @default globalThis.fetch */
  fetch?: typeof globalThis.fetch | undefined;
  /** From 0 to below 1. @default Math.random */
  random?: (() => number) | undefined;
  /** Milliseconds since 1970, to read a `Retry-After` that is a date. @default Date.now */
  now?: (() => number) | undefined;
  /** Waits, or returns early once `signal` fires; never rejects. @default a timer */
  pause?: ((milliseconds: number, signal: AbortSignal) => Promise<void>) | undefined;
}

const settingsSchema = lazily(() =>
  z.object({
    model: z.string().min(1).max(256),
    dimension: z.int().min(1).max(65_536),
    // An invalid header value would be quoted in fetch's own error, and a line break is easily copied along.
    apiKey: z
      .string()
      .regex(/^[\x21-\x7e]+$/, "must be printable ASCII without white space or line breaks")
      .optional(),
    ...httpEmbedderSettings.shape,
  }),
);

export type HttpEmbedderSettings = z.infer<ReturnType<typeof settingsSchema>> & { readonly url: URL };

/** @throws {ConfigurationError} An option is out of bounds. The message names it and never quotes the key or the URL. */
export function parseHttpEmbedderOptions(options: HttpEmbedderOptions): HttpEmbedderSettings {
  const result = settingsSchema().safeParse(options);
  if (!result.success) {
    throw new ConfigurationError(
      result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "),
    );
  }
  return { ...result.data, url: endpoint(options.url) };
}

function endpoint(url: string | URL): URL {
  if (!URL.canParse(String(url))) throw new ConfigurationError("url: not an absolute URL");
  const parsed = new URL(String(url));
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw new ConfigurationError(`url: the protocol is ${parsed.protocol}, not http: or https:`);
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new ConfigurationError("url: must not hold a user name or password; pass the key as apiKey");
  }
  if (parsed.pathname === "/") parsed.pathname = "/v1/embeddings";
  else if (/\/v1\/?$/.test(parsed.pathname)) parsed.pathname = parsed.pathname.replace(/\/?$/, "/embeddings");
  return parsed;
}
