import { ValidationError } from "../domain/errors.ts";

/**
 * Bytes of JSON that a job may keep. A result holds all findings of a check, so that a repair can go on from it: 100,000
 * at most, some 300 bytes each.
 */
export const PAYLOAD_BYTES_MAX = {
  input: 65_536,
  progress: 4_096,
  checkpoint: 65_536,
  result: 67_108_864,
} as const;

/** @throws {ValidationError} The value is no JSON, or longer than `bytesMax`. */
export function encodeJson(what: keyof typeof PAYLOAD_BYTES_MAX, value: unknown, bytesMax: number): string {
  const text = JSON.stringify(value ?? null) as string | undefined;
  if (text === undefined) throw new ValidationError(what, "is no JSON");
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) throw new ValidationError(what, `is ${bytes} bytes of JSON, and ${bytesMax} is the limit`);
  return text;
}
