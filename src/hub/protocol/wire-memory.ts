import * as z from "zod";
import { embeddingBytes, embeddingFromBytes } from "../../domain/checksum.ts";
import { isObject, type JsonObject } from "../../domain/json.ts";
import { lazily } from "../../domain/lazily.ts";

/** Memories of `local_only` privacy never travel. */
export const WIRE_PRIVACIES = ["full", "redacted"] as const;
export type WirePrivacy = (typeof WIRE_PRIVACIES)[number];

const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function isBase64(text: string): boolean {
  return base64Pattern.test(text);
}

const full = lazily(() =>
  z.strictObject({
    privacy: z.literal("full"),
    content: z.string(),
    memoryType: z.string(),
    importance: z.number(),
    metadata: z
      .custom<JsonObject>(isObject, "expected a JSON object")
      .meta({ type: "object", additionalProperties: true }),
    /** Base64 of the float32 values, little-endian: a third of the bytes of a list of numbers, and the same bits again. */
    embedding: z
      .string()
      .regex(base64Pattern, "expected base64 of float32 values")
      .nullable()
      .default(null)
      .describe("Base64 of the float32 values, little-endian; null: none"),
    embeddingModel: z.string().optional(),
    expiresAt: z.string().optional().describe("ISO-8601"),
  }),
);

/** Without the fields that privacy withholds: they are absent, not empty. */
const redacted = lazily(() =>
  z.strictObject({
    privacy: z.literal("redacted"),
    memoryType: z.string(),
    importance: z.number(),
    expiresAt: z.string().optional().describe("ISO-8601"),
  }),
);

/**
 * A memory as it travels, its key apart. The shape is checked here; the hub checks the bounds of the values as it does for
 * every write.
 */
export const wireMemorySchema = lazily(() =>
  z.discriminatedUnion("privacy", [full(), redacted()]).meta({ id: "HubMemory" }),
);
export type WireMemory = z.output<ReturnType<typeof wireMemorySchema>>;
export type FullWireMemory = Extract<WireMemory, { privacy: "full" }>;
export type RedactedWireMemory = Extract<WireMemory, { privacy: "redacted" }>;

/** The text in which a vector travels. */
export function encodeVector(vector: Float32Array): string {
  return embeddingBytes(vector).toString("base64");
}

/** A vector, by a name that older TypeScript can read in declarations. */
export type WireVector = Float32Array;

/** The vector of a text; null where the bytes are no whole number of float32 values. */
export function decodeVector(text: string): WireVector | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.length % 4 === 0 ? embeddingFromBytes(bytes) : null;
}
