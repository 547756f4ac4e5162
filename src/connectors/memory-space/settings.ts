import * as z from "zod";
import { lazily } from "../../domain/lazily.ts";
import { milliseconds, urlOf, wholeNumber } from "../../domain/settings.ts";
import { headerKey, isPathPart } from "../service/request-parts.ts";
import { DIALECTS } from "./dialect.ts";

/** A connection to Memory Space. */
export const memorySpaceSettings = lazily(() =>
  z.strictObject({
    url: urlOf((url) => new URL(url), ["http", "https"]).describe(
      "Address of the service, e.g. https://memory.example",
    ),
    context: z
      .string()
      .min(1)
      .max(512)
      .refine(isPathPart, "is a part of the address: expected whole characters, and neither . nor ..")
      .describe("Whose memories are read, e.g. 107677460544181387647___mft"),
    apiKey: headerKey().describe("The key, sent as X-API-KEY"),
    dialect: z
      .enum(["auto", ...DIALECTS])
      .default("auto")
      .describe("Parameters by which the server filters listings. auto: found out by asking"),
    listLimit: wholeNumber(10, 100_000).default(1_000).describe("Items asked for in one listing"),
    listLimitMax: wholeNumber(10, 10_000_000)
      .default(1_000_000)
      .describe("Items asked for in one listing, at most, where the server knows no spans of time"),
    timeoutMs: milliseconds(100)
      .default(30_000)
      .describe("Milliseconds to wait for an answer, and for each further part of it"),
    wholeTimeoutMs: milliseconds(100)
      .default(600_000)
      .describe("Milliseconds of these waits for one answer together, e.g. for a listing or a file"),
    attemptsMax: wholeNumber(1, 100)
      .default(5)
      .describe("Times that a request is sent, at most, while it fails for reasons that pass"),
    retryBaseMs: milliseconds(1)
      .default(500)
      .describe("Milliseconds of the longest first wait between two of them. It doubles"),
    retryMaxMs: milliseconds(1)
      .default(30_000)
      .describe("Milliseconds that no such wait exceeds, unless the service asks for more"),
    retryAfterMaxMs: milliseconds(0)
      .default(120_000)
      .describe("Milliseconds that the service may ask to wait. Where it asks for more, the request fails at once"),
  }),
);

export type MemorySpaceOptions = z.input<ReturnType<typeof memorySpaceSettings>>;
export type MemorySpaceSettings = z.output<ReturnType<typeof memorySpaceSettings>>;
