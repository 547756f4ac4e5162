import { outcomeDocument } from "../documents/memory-documents.ts";
import type { ErrorCode, SyncOutcome } from "../index.ts";
import type { ImportReport } from "../transfer/import-lines.ts";

/**
 * What callers are told of a failure. The messages of these codes come from drivers: they name hosts, ports, users, folders
 * and SQL, which belong to the operator. The log has them, under the id of the request.
 */
const TOLD: Readonly<Partial<Record<ErrorCode, string>>> = {
  STORE_UNAVAILABLE: "does not answer: send the request again later",
  STORE_REFUSED: "refused the request: the log of the service has the reason",
  EMBEDDING_FAILED: "the embedder gave no vector: the log of the service has the reason",
  SCHEMA_TOO_NEW: "the database belongs to a newer version of the service",
  INTERNAL: "a defect of the service: see its log under the id of this request",
};

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly store?: unknown;
}

/** The message of a failure, without what a driver said. */
export function toldMessage({ code, message, store }: Failure): string {
  const told = TOLD[code as ErrorCode];
  if (told === undefined) return message;
  return code.startsWith("STORE_") ? `${typeof store === "string" ? store : "a store"} ${told}` : told;
}

/** An outcome as its caller is told of it. */
export function toldOutcome(outcome: SyncOutcome): ReturnType<typeof outcomeDocument> {
  const { error, reasons, ...told } = outcomeDocument(outcome);
  return {
    ...told,
    ...(reasons !== undefined && {
      reasons: Object.fromEntries(Object.keys(reasons).map((store) => [store, BEHIND])),
    }),
    ...(error !== undefined && { error: { code: error.code, message: toldMessage(outcome.error ?? error) } }),
  };
}

const BEHIND = "the store is behind: the backlog brings it up to date";

export function toldOutcomes(outcomes: readonly SyncOutcome[]): { outcomes: ReturnType<typeof toldOutcome>[] } {
  return { outcomes: outcomes.map(toldOutcome) };
}

/** The report of an import as its caller is told of it. */
export function toldReport(report: ImportReport): ImportReport {
  return { ...report, errors: report.errors.map((error) => ({ ...error, message: toldMessage(error) })) };
}
