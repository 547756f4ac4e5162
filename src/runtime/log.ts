import { type LevelWithSilent, pino } from "pino";
import { redactedFields } from "./redact.ts";

/**
 * Where events go: a pino logger fits. One call per thing that happened, its name first in the message, ids and figures
 * in the fields. Neither the content of memories nor a secret is put into a field; should
 * one get there all the same, `createLog` hides it.
 */
export interface Log {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
}

/** Says nothing. The default of a library: its user decides. */
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // On purpose.
}

/** Bytes of events that wait while standard error takes none, e.g. on a full disk. Later events are dropped. */
const WAITING_BYTES_MAX = 1_048_576;

/**
 * Characters that JSON permits as they are and a terminal obeys: DEL and the C1 controls (U+009B begins an escape sequence
 * as ESC does), and marks that reorder the text of a line.
 */
const OBEYED_BY_TERMINALS = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Takes one line after the other, each with its line break. */
export interface LogDestination {
  write(line: string): unknown;
}

/** JSON lines on standard error, so that standard output stays free for results. */
export function createLog(level: LevelWithSilent, destination: LogDestination = standardError()): Log {
  return pino(
    {
      name: "mnemosync",
      level,
      formatters: { log: (fields) => redactedFields(fields) as Record<string, unknown> },
    },
    { write: (line) => destination.write(line.replace(OBEYED_BY_TERMINALS, jsonEscape)) },
  );
}

/**
 * As `createLog` on standard error, for a process that serves others: a collector that reads slowly, or not at all, does not
 * hold up the event loop. Events beyond 1 MiB that wait are dropped, and counted by `log.events_dropped` once there is room.
 * The last events are written before the process ends.
 */
export function createServiceLog(level: LevelWithSilent): Log {
  const destination = standardError({ sync: false });
  const log = createLog(level, destination);
  let dropped = 0;
  destination.on("drop", () => dropped++);
  destination.on("drain", () => {
    if (dropped === 0) return;
    log.warn({ events: dropped }, "log.events_dropped");
    dropped = 0;
  });
  process.once("exit", () => {
    try {
      destination.flushSync();
    } catch {
      // Nothing is left that could tell of it.
    }
  });
  return log;
}

/** Synchronous for a command, so that the last lines before an exit are not lost. */
function standardError({ sync } = { sync: true }): ReturnType<typeof pino.destination> {
  const destination = pino.destination({ fd: 2, sync, maxLength: WAITING_BYTES_MAX });
  // A full disk under standard error must not end the work: pino throws on everything but a closed pipe.
  destination.on("error", () => undefined);
  return destination;
}

/** The same character within a JSON string: a parser reads the line as before. */
function jsonEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
