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

/** JSON lines on standard error, so that standard output stays free for results. */
export function createLog(level: LevelWithSilent): Log {
  const destination = pino.destination({ fd: 2, sync: true, maxLength: WAITING_BYTES_MAX });
  // A full disk under standard error must not end the work: pino throws on everything but a closed pipe.
  destination.on("error", () => undefined);
  return pino(
    {
      name: "mnemosync",
      level,
      formatters: { log: (fields) => redactedFields(fields) as Record<string, unknown> },
    },
    destination,
  );
}
