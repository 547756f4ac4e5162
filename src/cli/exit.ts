import { type ErrorCode, MnemosyncError } from "../domain/errors.ts";
import { printable } from "./output.ts";
import { OutputError } from "./standard-output.ts";

/** Exit codes for scripts. After a signal the code is 128 + the signal's number, as in shells. */
export const EXIT = {
  /** Done, without findings. */
  ok: 0,
  /** Done, with findings: drift, a rejected line, a failed repair, nothing found. */
  findings: 1,
  /** Not done: wrong usage, wrong configuration, a store that does not answer, a result that cannot be printed. */
  failed: 2,
  /** A part of it: a connector's run that could not deal with every item, or did not see all of them. */
  partial: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * The exit code of each error, whatever command it ends. A lookup that finds nothing, and a write whose condition does not
 * hold, are answers; all others mean that the command was not done.
 */
export const EXIT_CODES: Readonly<Record<ErrorCode | "USAGE" | "OUTPUT", ExitCode>> = {
  NOT_FOUND: EXIT.findings,
  VERSION_CONFLICT: EXIT.findings,
  ERASED: EXIT.findings,
  USAGE: EXIT.failed,
  OUTPUT: EXIT.failed,
  VALIDATION: EXIT.failed,
  CONFIGURATION: EXIT.failed,
  STORE_UNAVAILABLE: EXIT.failed,
  STORE_REFUSED: EXIT.failed,
  STORE_FOREIGN: EXIT.failed,
  COMMIT_OUTCOME_UNKNOWN: EXIT.failed,
  IDEMPOTENCY_KEY_REUSED: EXIT.failed,
  QUEUE_FULL: EXIT.failed,
  DEADLINE_EXCEEDED: EXIT.failed,
  ABORTED: EXIT.failed,
  CLOSED: EXIT.failed,
  SCHEMA_TOO_NEW: EXIT.failed,
  EMBEDDING_FAILED: EXIT.failed,
  EPOCH_CHANGED: EXIT.failed,
  SYNC_CONNECTION: EXIT.failed,
  SYNC_BATCH: EXIT.failed,
  SYNC_CONFLICT: EXIT.failed,
  SYNC_RETRIES_EXCEEDED: EXIT.failed,
  SYNC_PAYLOAD: EXIT.failed,
  UNAUTHENTICATED: EXIT.failed,
  FORBIDDEN: EXIT.failed,
  DEVICE_REVOKED: EXIT.failed,
  PROTOCOL_UNSUPPORTED: EXIT.failed,
  RESYNC_REQUIRED: EXIT.failed,
  EDGE_FILE: EXIT.failed,
  SERVICE_FAILED: EXIT.failed,
  CONNECTOR_RUNNING: EXIT.failed,
  INTERNAL: EXIT.failed,
};

/** The exit code of a command that ends with `error`. */
export function exitCodeOf(error: unknown): ExitCode {
  const { code } = describeError(error);
  return code in EXIT_CODES ? EXIT_CODES[code as keyof typeof EXIT_CODES] : EXIT.failed;
}

/** The command line is wrong, or a file that it names. */
export class UsageError extends Error {
  readonly code = "USAGE";
}

/** The document that `--json` prints when a command fails. */
export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string };
}

/** The code and the message of an error, for printing. An error without a stable code is `INTERNAL`. */
export function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof MnemosyncError || error instanceof UsageError || error instanceof OutputError) {
    return { code: error.code, message: error.message };
  }
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}

/** One line for people. Messages may quote untrusted text, so control characters are escaped. */
export function errorLine(error: unknown): string {
  const { code, message } = describeError(error);
  return `error ${code}: ${printable(message)}`;
}

/** Ctrl-C, or a service manager that asks the process to end. */
export interface Interruption {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  /** 130 for SIGINT, 143 for SIGTERM; null before a signal. */
  exitCode(): number | null;
  /** Removes the signal handlers. */
  stop(): void;
}

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Turns the first SIGINT or SIGTERM into an abort, so that the command can close its stores; a second signal ends the
 * process at once.
 */
export function watchInterruption(say: (line: string) => void): Interruption {
  const controller = new AbortController();
  let exitCode: number | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = 128 + SIGNAL_NUMBERS[name as keyof typeof SIGNAL_NUMBERS];
    if (exitCode !== null) process.exit(code);
    exitCode = code;
    say("stopping; send the signal again to stop at once");
    controller.abort(new Error(`stopped by ${name}`));
  };
  for (const name of Object.keys(SIGNAL_NUMBERS)) process.on(name, onSignal);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    stop: () => {
      for (const name of Object.keys(SIGNAL_NUMBERS)) process.off(name, onSignal);
    },
  };
}
