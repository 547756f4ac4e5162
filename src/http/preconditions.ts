import type { IncomingHttpHeaders } from "node:http";
import { type MemorySynchronizer, type SyncOutcome, VersionConflictError, type WriteOptions } from "../index.ts";
import type { Identity } from "./keys.ts";
import { HttpProblem } from "./problem.ts";

/** Request headers that every write reads. */
export const PRECONDITION_HEADERS = {
  "If-Match": 'The version that the memory must be at, e.g. "3", or * for any: otherwise 412',
  "If-None-Match": "*: the memory must not exist, otherwise 412",
  "Idempotency-Key":
    "1 to 128 characters that name this write; a repeat answers the first outcome and writes nothing, another write under " +
    "it answers 422. It belongs to the namespace and to the owner of the caller's key",
} as const;

/** The entity tag of a version, which `If-Match` names. */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/**
 * A write of one memory, under the conditions that the request's headers set.
 * @throws {HttpProblem} 400: a header is malformed; 412: the memory is at another version.
 */
export async function underPreconditions(
  headers: IncomingHttpHeaders,
  sync: MemorySynchronizer,
  key: { namespace: string; memoryId: string },
  { owner: caller }: Pick<Identity, "owner">,
  write: (options: WriteOptions) => Promise<SyncOutcome>,
): Promise<SyncOutcome> {
  const expected = await expectedVersion(headers, sync, key);
  const idempotencyKey = headers["idempotency-key"];
  try {
    return await write({
      expectedVersion: expected,
      ...(typeof idempotencyKey === "string" && { idempotencyKey, caller }),
    });
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    const { expectedVersion: wanted, foundVersion } = error;
    const detail = `memory ${JSON.stringify(key.memoryId)} is at version ${foundVersion}, not ${wanted}: read it again`;
    throw new HttpProblem(412, "VERSION_CONFLICT", detail, { members: { expectedVersion: wanted, foundVersion } });
  }
}

/** The version that `If-Match` or `If-None-Match` demands; undefined when neither is set. */
async function expectedVersion(
  headers: IncomingHttpHeaders,
  sync: MemorySynchronizer,
  key: { namespace: string; memoryId: string },
): Promise<number | undefined> {
  const match = headers["if-match"];
  const noneMatch = headers["if-none-match"];
  if (match !== undefined && noneMatch !== undefined) {
    throw new HttpProblem(400, "MALFORMED_REQUEST", "give either If-Match or If-None-Match");
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === "*") return 0;
    throw new HttpProblem(
      400,
      "MALFORMED_REQUEST",
      "If-None-Match on a write can only be *: the memory must not exist",
    );
  }
  if (match === undefined) return undefined;
  if (match.trim() === "*") {
    // A cache that is behind names a version that the memory is not at any more, or none.
    const memory = await sync.get(key.memoryId, { namespace: key.namespace, fromLedger: true });
    if (memory !== null) return memory.version;
    throw new HttpProblem(412, "PRECONDITION_FAILED", "If-Match is *, and there is no such memory");
  }
  const version = /^"(\d{1,15})"$/.exec(match.trim())?.[1];
  if (version !== undefined) return Number(version);
  throw new HttpProblem(400, "MALFORMED_REQUEST", 'If-Match must be one version in quotes, e.g. "3", or *');
}
