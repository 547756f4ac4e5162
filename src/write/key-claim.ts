import { createHash } from "node:crypto";
import { ValidationError } from "../domain/errors.ts";
import { checkText } from "../domain/json.ts";
import type { KeyClaim } from "../ledger/idempotency-statements.ts";
import type { Refusal } from "./intake.ts";
import type { WriteIntent } from "./plan.ts";

/** Characters of an idempotency key, and of a caller's name, at most. */
const LENGTH_MAX = 128;

/** Makes a write repeatable without writing twice. */
export interface KeyOptions {
  readonly idempotencyKey: string;
  readonly caller?: string | undefined;
}

/**
 * The claim of a request to its idempotency key; `part` is 0.
 * @param items the memories of the whole request, also of one that is cut into many transactions: a key is bound to all.
 * @throws {ValidationError} The key or the caller's name is not 1 to 128 characters of well-formed text.
 */
export function keyClaimOf(
  { idempotencyKey: key, caller }: KeyOptions,
  items: readonly (WriteIntent | Refusal)[],
  atomic: boolean,
): KeyClaim {
  checkName("idempotencyKey", key);
  if (caller !== undefined) checkName("caller", caller);
  const namespaces = new Set(items.flatMap((item) => ("error" in item ? [] : [item.key.namespace])));
  return {
    namespaces: [...namespaces].sort(),
    caller: caller ?? "",
    key,
    part: 0,
    fingerprint: fingerprintOf(items, atomic),
  };
}

function checkName(path: string, text: unknown): void {
  if (typeof text !== "string") throw new ValidationError(path, `is ${typeof text}, and must be text`);
  if (text.length < 1 || text.length > LENGTH_MAX) {
    throw new ValidationError(path, `is ${text.length} characters long, and must have 1 to ${LENGTH_MAX}`);
  }
  checkText(text, path);
}

/**
 * Differs between requests for different writes. It covers the caller's input only, never a vector that an embedder added:
 * the vector of a repeat may differ in its last bits. A refused memory counts by its key alone.
 */
function fingerprintOf(items: readonly (WriteIntent | Refusal)[], atomic: boolean): string {
  const hash = createHash("sha256");
  // The number names the form of the lines: with another form, keys of requests before it would all look reused.
  hash.update(JSON.stringify(["mnemosync request", 1, atomic]));
  for (const item of items) {
    const { namespace, memoryId } = item.key;
    const line =
      "error" in item
        ? [namespace, memoryId]
        : [namespace, memoryId, requestedChecksum(item), item.expectedVersion, item.modifiedAt];
    hash.update(`\n${JSON.stringify(line)}`);
  }
  return hash.digest("hex");
}

function requestedChecksum({ memory, requestedChecksum: requested }: WriteIntent): string | null {
  return requested ?? memory?.checksum ?? null;
}
