import { UsageError } from "./exit.ts";

/** The refusal of a file or folder that the system does not let us read. */
export function unreadable(path: string, error: unknown): UsageError {
  return new UsageError(`cannot read ${path}: ${systemMessage(error)}`, { cause: error });
}

/** Without the call and the path that the system adds. */
function systemMessage(error: unknown): string {
  return (error as Error).message.replace(/, \w+( '.*')?$/, "");
}
