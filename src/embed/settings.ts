import * as z from "zod";
import { DEFAULT_DIMENSION, milliseconds, SECRET, wholeNumber } from "../domain/settings.ts";

const MINUTES_10_MS = 600_000;

/** Options of the http provider that a program gives as well, when it makes an `HttpEmbedder` of its own. */
export const httpEmbedderSettings = z.strictObject({
  sendDimension: z
    .boolean()
    .default(false)
    .describe("Whether the http provider is asked for vectors of the index's dimension; some models refuse it"),
  batchSizeMax: wholeNumber(1, 2_048).default(64).describe("Texts per request to the http provider, at most"),
  batchLengthMax: wholeNumber(1)
    .default(200_000)
    .describe("UTF-16 code units per request to the http provider, at most; a longer text is sent alone"),
  concurrency: wholeNumber(1, 64).default(2).describe("Requests to the http provider at the same time, at most"),
  timeoutMs: milliseconds(1, MINUTES_10_MS)
    .default(30_000)
    .describe("Milliseconds that one request to the http provider may take"),
  retriesMax: wholeNumber(0, 20)
    .default(3)
    .describe("Retries of a request to the http provider after a transient failure, at most"),
  backoffBaseMs: milliseconds(1, MINUTES_10_MS)
    .default(500)
    .describe("Milliseconds before the first retry of the http provider, at most; doubles with each retry"),
  backoffMaxMs: milliseconds(1, MINUTES_10_MS)
    .default(20_000)
    .describe("Milliseconds between two retries of the http provider, at most"),
  retryAfterMaxMs: milliseconds(0, MINUTES_10_MS)
    .default(60_000)
    .describe("Longest Retry-After of the http provider that is waited for, in milliseconds; beyond it the call fails"),
});

/** How text becomes vectors, under `embedding`. */
export const embeddingSettings = z.strictObject({
  provider: z
    .enum(["none", "hashing", "http"])
    .default("none")
    .describe(
      "Embedder that computes vectors from text: none, the offline feature hasher, or an OpenAI-compatible endpoint",
    ),
  dimension: wholeNumber(1, 16_384)
    .default(DEFAULT_DIMENSION)
    .describe("Numbers per computed vector where no store prescribes them: with a FAISS index, faiss.dimension counts"),
  url: z.url().optional().describe("Endpoint of the http provider, e.g. https://host/v1/embeddings"),
  model: z.string().optional().describe("Model that the http provider is asked for"),
  apiKey: z.string().optional().meta(SECRET).describe("Key that the http provider is given"),
  ...httpEmbedderSettings.shape,
});

/** The settings of embedding, with their defaults filled in. */
export type EmbeddingSettings = z.output<typeof embeddingSettings>;
