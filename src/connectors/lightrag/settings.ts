import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { milliseconds, urlOf, wholeNumber } from "../../domain/settings.ts";
import { headerKey } from "../service/request-parts.ts";

/** A connection to a LightRAG server. */
export const lightRagSettings = lazily(() =>
  z
    .strictObject({
      url: urlOf((url) => new URL(url), ["http", "https"]).describe(
        "Address of the server, e.g. http://127.0.0.1:9621",
      ),
      apiKey: headerKey().describe("The key, sent as X-API-Key"),
      bearer: headerKey().describe("A token, sent as Authorization: Bearer, in place of a key"),
      contract: z
        .enum(["auto", "1.4", "1.5"])
        .default("auto")
        .describe("The server's contract. auto: read from its description"),
      timeoutMs: milliseconds(100)
        .default(30_000)
        .describe("Milliseconds to wait for an answer, and for each further part of it"),
      wholeTimeoutMs: milliseconds(100)
        .default(120_000)
        .describe("Milliseconds of these waits for one answer together"),
      attemptsMax: wholeNumber(1, 100)
        .default(4)
        .describe("Times that a request is sent, at most, while it fails for reasons that pass"),
      retryBaseMs: milliseconds(1)
        .default(500)
        .describe("Milliseconds of the longest first wait between two of them. It doubles"),
      retryMaxMs: milliseconds(1)
        .default(30_000)
        .describe("Milliseconds that no such wait exceeds, unless the server asks for more"),
      retryAfterMaxMs: milliseconds(0).default(120_000).describe("Milliseconds that the server may ask to wait"),
    })
    .refine(({ apiKey, bearer }) => apiKey === undefined || bearer === undefined, {
      message: "give apiKey or bearer, not both: a bad bearer is refused even beside a good key",
      path: ["bearer"],
    }),
);

export type LightRagOptions = z.input<ReturnType<typeof lightRagSettings>>;
export type LightRagSettings = z.output<ReturnType<typeof lightRagSettings>>;
