import { MnemosyncError } from "../domain/errors.ts";

/** What scripts can go by. After a signal the code is 128 + its number, as shells have it. */
export const EXIT = {
  /** Done, and nothing to complain about. */
  ok: 0,
  /** Done, with something to look at: drift, a rejected line, a repair that did not work, nothing found. */
  findings: 1,
  /** Not done: wrong usage, wrong configuration, a store that does not answer. */
  failed: 2,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command line, or a file that it names, is not as it must be. */
export class UsageError extends Error {
  readonly code = "USAGE";
}

/** What `--json` prints when a command could not do its work. */
export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string };
}

/** Names an error as it is printed: with its stable code where it has one. */
export function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof MnemosyncError || error instanceof UsageError) {
    return { code: error.code, message: error.message };
  }
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}

/** One line for people. */
export function errorLine(error: unknown): string {
  const { code, message } = describeError(error);
  return `error ${code}: ${message}`;
}

/** Ctrl-C, or an orderly end asked for by a service manager. */
export interface Interruption {
  /** Fires at the first signal. */
  readonly signal: AbortSignal;
  /** 130 for SIGINT, 143 for SIGTERM; null while there was none. */
  exitCode(): number | null;
  /** Takes the handlers away. */
  stop(): void;
}

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Turns the first SIGINT or SIGTERM into an abort, so that the command can close what it opened; the second one ends the
 * process at once.
 */
export function watchInterruption(say: (line: string) => void): Interruption {
  const controller = new AbortController();
  let exitCode: number | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = 128 + SIGNAL_NUMBERS[name as keyof typeof SIGNAL_NUMBERS];
    if (exitCode !== null) process.exit(code);
    exitCode = code;
    say("stopping; once more to stop at once");
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
