import { once } from "node:events";
import { getSystemErrorMap } from "node:util";

/** The exit code after the reader of standard output has closed the pipe: 128 + SIGPIPE, as shells report other tools. */
export const READER_GONE_EXIT_CODE = 141;

/** Standard output does not take the result, e.g. because the disk is full. What the command did in the stores stands. */
export class OutputError extends Error {
  readonly code = "OUTPUT";
}

/** The state of standard output. */
export interface StandardOutput {
  /** Fires at the first write that fails: later output would be lost. */
  readonly signal: AbortSignal;
  /**
   * Waits until everything printed is written, or has failed.
   * @returns `reader-gone` after EPIPE; an `OutputError` after any other failure; null: all of it is written.
   */
  settled(): Promise<OutputError | "reader-gone" | null>;
}

/**
 * Notes failures of standard output, which would otherwise end the process with a stack trace. Failures of standard error
 * are ignored: there is no other place to report them, and the work must not end for a lost message.
 */
export function watchStandardOutput(): StandardOutput {
  const failed = new AbortController();
  const onError = (error: NodeJS.ErrnoException): void => failed.abort(error);
  // Not removed again: a write may fail after the command has ended.
  process.stdout.on("error", onError);
  process.stderr.on("error", ignore);
  return {
    signal: failed.signal,
    async settled() {
      // The callback comes after all earlier writes, and after a failure too.
      if (!failed.signal.aborted) await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
      if (!failed.signal.aborted) return null;
      const error = failed.signal.reason as NodeJS.ErrnoException;
      if (error.code === "EPIPE") return "reader-gone";
      return new OutputError(`cannot write to standard output: ${systemReason(error)}`, { cause: error });
    },
  };
}

/** Writes a part of a long result at the pace of its reader. @throws the reason of `signal`. */
export async function writeAtReadersPace(text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted(); // Also after a failed write: the rest of the result would be lost.
  if (process.stdout.write(text)) return;
  await Promise.race([once(process.stdout, "drain", { signal }), once(process.stdout, "close", { signal })]);
}

/** `no space left on device (ENOSPC)`. */
function systemReason(error: NodeJS.ErrnoException): string {
  const [name, text] = getSystemErrorMap().get(error.errno ?? 0) ?? [];
  return name === undefined || text === undefined ? error.message : `${text} (${name})`;
}

function ignore(): void {
  // On purpose.
}
