import { MnemosyncError, StoreRefusedError, StoreUnavailableError } from "../../domain/errors.ts";

/** Ways in which Postgres can fail a statement, by what the caller should do about it. */
export type PostgresFailure =
  /** The server is stopping, starting or unreachable: what was sent may or may not have happened. Try again. */
  | "unavailable"
  /** A conflict with another transaction (deadlock, serialization, lock time-out). Rolled back. Try again. */
  | "contention"
  /** The server is out of disk, memory or connections. Rolled back. The condition may pass. */
  | "exhausted"
  /** The data violate a rule. One row may be the cause, so the others are worth a try without it. Rolled back. */
  | "data"
  /** Any other refusal by the server: permissions, a missing table, a syntax error. */
  | "refused";

const SOCKET_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT", // the server's Unix socket is gone
]);

/** Sorts an error of the driver by its SQLSTATE or socket code (PostgreSQL, appendix A). */
export function classifyPostgresError(error: unknown): PostgresFailure {
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  if (SOCKET_CODES.has(code)) return "unavailable";
  if (code === "40001" || code === "40P01" || code === "55P03" || code === "57014") return "contention";
  if (code === "25P03" || code === "25P04") return "unavailable"; // our idle transaction was ended with its connection
  if (code === "53300") return "unavailable";
  if (code === "08P01") return isPoolerOutage(error) ? "unavailable" : "refused"; // refused: a message that it could not read
  if (code.startsWith("08") || code.startsWith("57P")) return "unavailable";
  if (code.startsWith("53") || code.startsWith("58")) return "exhausted";
  // P0001: "raise exception" in a trigger or function, which rejects the row that it was given.
  if (code.startsWith("22") || code.startsWith("23") || code.startsWith("54") || code === "P0001") return "data";
  return "refused";
}

/** FATAL messages with 08P01 that no later attempt mends: credentials, names, settings. */
const LASTING =
  /auth|password|certificate|SSL|no such|does not exist|not allowed|unsupported|not supported|invalid|required/i;

/**
 * PgBouncer gives all its own messages the SQLSTATE 08P01, which PostgreSQL keeps for a message that it cannot read, and
 * that of a server which starts, stops or is gone: "the database system is starting up", "server conn crashed?".
 */
function isPoolerOutage(error: unknown): boolean {
  const { severity_local: severity, message = "" } = error as { severity_local?: string; message?: string };
  return severity === "FATAL" && !LASTING.test(message);
}

/** The error that callers see for a failure of the driver; anything else passes through as it is. */
export function postgresError(error: unknown): unknown {
  if (error instanceof MnemosyncError || !isDriverError(error)) return error;
  const text = `${error.message} (${error.code})`;
  const failure = classifyPostgresError(error);
  if (failure === "unavailable") return new StoreUnavailableError("postgres", text, { cause: error });
  return new StoreRefusedError("postgres", text, {
    cause: error,
    retryable: failure === "contention" || failure === "exhausted",
  });
}

function isDriverError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && typeof (error as Error & { code?: unknown }).code === "string";
}
