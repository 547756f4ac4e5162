import type { IncomingHttpHeaders } from "node:http";
import type { MemorySynchronizer, SyncOutcome } from "../index.ts";
import { HttpProblem } from "./problem.ts";

/** What a write's headers ask for. */
export const PRECONDITION_HEADERS = {
  "If-Match": 'The version that the memory must be at, e.g. "3", or * for any: otherwise 412',
  "If-None-Match": "*: the memory must not exist, otherwise 412",
  "Idempotency-Key": "ULID of this write; a repeat answers the first outcome and writes nothing",
} as const;

/**
 * The version that `If-Match` or `If-None-Match` wants the memory to be at; undefined when they want nothing.
 * @throws {HttpProblem} 400: not understood; 412: `If-Match: *` and there is no memory.
 */
export async function expectedVersion(
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
    const memory = await sync.get(key.memoryId, { namespace: key.namespace });
    if (memory !== null) return memory.version;
    throw new HttpProblem(412, "PRECONDITION_FAILED", "If-Match is *, and there is no such memory");
  }
  const version = /^"(\d{1,15})"$/.exec(match.trim())?.[1];
  if (version !== undefined) return Number(version);
  throw new HttpProblem(400, "MALFORMED_REQUEST", 'If-Match must be one version in quotes, e.g. "3", or *');
}

/** @throws {HttpProblem} 412: the memory was at another version than the precondition wanted. */
export function assertPrecondition(outcome: SyncOutcome, expected: number | undefined): void {
  if (outcome.status !== "conflict") return;
  throw new HttpProblem(
    412,
    "VERSION_CONFLICT",
    `memory ${JSON.stringify(outcome.memoryId)} is at version ${outcome.version}, not ${expected}: read it again`,
    { members: { expectedVersion: expected, foundVersion: outcome.version } },
  );
}
