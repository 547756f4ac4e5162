import type { ErrorCode } from "../domain/errors.ts";
import type { ImportReport } from "../transfer/import-lines.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import { outcomeDocument } from "./memory-documents.ts";

/**
 * Messages of failures as callers see them. The original messages of these codes come from drivers: they name hosts, ports, users, folders
 * and SQL, which belong to the operator. The log has them, under the id of the request.
 */
const PUBLIC: Readonly<Partial<Record<ErrorCode, string>>> = {
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
  /** True: the message is of our own words alone. */
  readonly isPublic?: unknown;
}

/** The message of a failure, without the text of a driver. */
export function publicMessage({ code, message, store, isPublic }: Failure): string {
  const text = PUBLIC[code as ErrorCode];
  if (text === undefined || isPublic === true) return message;
  return code.startsWith("STORE_") ? `${typeof store === "string" ? store : "a store"} ${text}` : text;
}

/** An outcome as its caller sees it. */
export function publicOutcome(outcome: SyncOutcome): ReturnType<typeof outcomeDocument> {
  const { error, reasons, ...others } = outcomeDocument(outcome);
  return {
    ...others,
    ...(reasons !== undefined && {
      reasons: Object.fromEntries(Object.keys(reasons).map((store) => [store, BEHIND])),
    }),
    ...(error !== undefined && { error: { code: error.code, message: publicMessage(outcome.error ?? error) } }),
  };
}

const BEHIND = "the store is behind: the backlog brings it up to date";

export function publicOutcomes(outcomes: readonly SyncOutcome[]): { outcomes: ReturnType<typeof publicOutcome>[] } {
  return { outcomes: outcomes.map(publicOutcome) };
}

/** The report of an import as its caller sees it. */
export function publicReport(report: ImportReport): ImportReport {
  return { ...report, errors: report.errors.map((error) => ({ ...error, message: publicMessage(error) })) };
}
