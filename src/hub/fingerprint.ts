import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { PushChange } from "./protocol/push.ts";

/**
 * Differs between different changes. The base is left out: after the hub went back, a device offers a change again under its
 * key, with no base.
 */
export function fingerprintOf(change: PushChange): string {
  const { op, namespace, memoryId, modifiedAt } = change;
  const memory = change.op === "put" ? change.memory : null;
  const text = canonicalize(["mnemosync change", 1, op, namespace, memoryId, modifiedAt, memory]) as string;
  return createHash("sha256").update(text).digest("base64url");
}
