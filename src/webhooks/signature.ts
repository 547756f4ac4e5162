import { createHmac, randomBytes } from "node:crypto";
import { ValidationError } from "../domain/errors.ts";

/** As Standard Webhooks has it: the prefix, then 24 to 64 bytes in base64. */
const SECRET_PREFIX = "whsec_";
const SECRET_BYTES = 32;
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString("base64");
}

/** @throws {ValidationError} The text is no secret. It is not repeated. */
export function checkSecret(secret: string): void {
  const bytes = bytesOf(secret);
  if (secret !== SECRET_PREFIX + bytes.toString("base64")) {
    throw new ValidationError(
      "secret",
      `expected ${SECRET_PREFIX} and base64: openssl rand -base64 32 makes the latter`,
    );
  }
  if (bytes.length >= SECRET_BYTES_MIN && bytes.length <= SECRET_BYTES_MAX) return;
  throw new ValidationError(
    "secret",
    `has ${bytes.length} bytes behind ${SECRET_PREFIX}, and must have ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX}`,
  );
}

/** A message as it is signed. */
export interface SignedMessage {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

/** The headers of Standard Webhooks, with one signature per secret. */
export function signedHeaders(message: SignedMessage, secrets: readonly string[]): Record<string, string> {
  const { id, timestamp, body } = message;
  const signatures = secrets.map((secret) => {
    const mac = createHmac("sha256", bytesOf(secret)).update(`${id}.${timestamp}.${body}`).digest("base64");
    return `v1,${mac}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatures.join(" "),
  };
}

function bytesOf(secret: string): Buffer {
  return Buffer.from(secret.slice(SECRET_PREFIX.length), "base64");
}
