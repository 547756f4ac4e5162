import * as z from "zod";
import { milliseconds, wholeNumber } from "../domain/settings.ts";

/** The HTTP service, under `http`. */
export const httpSettings = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe("Address that the service listens on"),
  port: wholeNumber(0, 65_535).default(8420).describe("Port that the service listens on; 0: a free one"),
  authentication: z
    .enum(["keys", "none"])
    .default("keys")
    .describe("Whether callers must show a key; none is for a loopback address only"),
  keysFile: z
    .string()
    .min(1)
    .optional()
    .describe("JSON file with the hashes of the service's keys (mnemosync key add)"),
  metricsAuthentication: z
    .boolean()
    .optional()
    .describe(
      "Whether /metrics asks for a key too; it shows the names of namespaces. By default unless http.host is a loopback address",
    ),
  console: z.boolean().default(true).describe("Whether the service shows its console at /console"),
  bodyBytesMax: wholeNumber(1_024, 1_073_741_824).default(16_777_216).describe("Bytes of a JSON body, at most"),
  importBytesMax: wholeNumber(1_024)
    .default(1_073_741_824)
    .describe("Bytes of a stream of memories to import, at most"),
  requestTimeoutMs: milliseconds(1_000)
    .default(300_000)
    .describe("Milliseconds that receiving a request may take, an import included"),
  shutdownTimeoutMs: milliseconds(0)
    .default(10_000)
    .describe("Milliseconds that running requests have at a stop before their connections are closed"),
  connectionsMax: wholeNumber(1, 65_536)
    .default(1_024)
    .describe("Connections at a time; further ones are closed at once"),
  streamsMax: wholeNumber(1, 65_536)
    .default(200)
    .describe("Streams of events, and requests that wait for changes, at a time; further ones are refused with 429"),
  streamsPerKeyMax: wholeNumber(1, 65_536).default(20).describe("The same per key"),
  streamStallTimeoutMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds that a reader of events may take nothing before its connection is cut"),
  rateLimitPerSecond: wholeNumber(1, 1_000_000).default(1_000).describe("Requests per second and key"),
  rateLimitBurst: wholeNumber(1, 1_000_000).default(2_000).describe("Requests at once and key"),
  corsOrigins: z
    .string()
    .optional()
    .describe("Origins whose pages may call the service, separated by commas; none by default"),
});

/** The settings of the service, with their defaults filled in. */
export type HttpSettings = z.output<typeof httpSettings>;
