import { Command, type Option } from "commander";
import type { CommandEntry } from "../command.ts";

/** A flag as a shell completes it. */
export interface CompletedFlag {
  /** E.g. `-k` and `--k`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** The values that it takes; empty where there is no list. */
  readonly choices: readonly string[];
}

/** A command as a shell completes it. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  /** The words that may follow, e.g. `add`; empty where an argument is free. */
  readonly actions: readonly string[];
  readonly flags: readonly CompletedFlag[];
}

export interface CompletionModel {
  readonly commands: readonly CompletedCommand[];
  /** Flags that every command takes. */
  readonly flags: readonly CompletedFlag[];
}

/** Loads every command for its flags. @param options flags of the program, which every command takes. */
export async function completionModel(
  entries: readonly CommandEntry[],
  options: readonly Option[],
): Promise<CompletionModel> {
  const commands = entries.map(async ({ name, summary, actions = [], load }) => {
    const parsed = new Command(name);
    (await load()).configure?.(parsed);
    return { name, summary, actions, flags: parsed.options.map(completed) };
  });
  return { commands: await Promise.all(commands), flags: options.map(completed) };
}

function completed({ short, long, description, required, optional, argChoices = [] }: Option): CompletedFlag {
  const names = [short, long].filter((name) => typeof name === "string");
  return { names, description, takesValue: required || optional, choices: argChoices };
}
