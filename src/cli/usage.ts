import { type Command, CommanderError } from "commander";
import { nearestName } from "../domain/nearest-name.ts";
import { UsageError } from "./exit.ts";

/** The error of a wrong command line, with the nearest flag. Every other error stays as it is. @param parsed the command. */
export function usageErrorOf(error: unknown, parsed: Command | undefined): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.code === "commander.help") return new UsageError("no command given: see mnemosync --help");
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\s+/g, " ")
    .replace(/\.$/, "");
  const help = parsed === undefined ? "mnemosync --help" : `mnemosync ${parsed.name()} --help`;
  const unknown = error.code === "commander.unknownOption" ? /'(--?[^'=]+)/.exec(message)?.[1] : undefined;
  const nearest = unknown === undefined ? null : nearestName(unknown, flagsOf(parsed));
  if (unknown === undefined) return new UsageError(`${message}; see ${help}`);
  // Commander knows only the flags that the short help shows, and not the settings.
  const told = message.replace(/ \(Did you mean .*\)$/, "");
  return new UsageError(nearest === null ? `${told}; see ${help}` : `${told}; did you mean ${nearest}? See ${help}`);
}

/** The flags that a command takes: its own first, then those of every command, the settings among them. */
function flagsOf(parsed: Command | undefined): string[] {
  const options = [...(parsed?.options ?? []), ...(parsed?.parent?.options ?? [])];
  return options.flatMap(({ long }) => (typeof long === "string" ? [long] : []));
}
