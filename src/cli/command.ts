import type { Command } from "commander";
import type { Settings } from "../config/settings.ts";
import type { Log } from "../runtime/log.ts";
import type { ExitCode } from "./exit.ts";

/** One call of the program, as a command sees it. */
export interface Invocation {
  readonly settings: Settings;
  /** The command's arguments, in order. */
  readonly args: readonly string[];
  /** The command's own flags, by commander's attribute names. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly log: Log;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  /** A line for people while the work goes on: on standard error with `--json`, else on standard output. */
  say(line: string): void;
}

/** What a command has to tell once everything is closed again. */
export interface CommandResult {
  readonly exitCode: ExitCode;
  /** The document for programs; undefined for a command whose standard output is something else. */
  readonly json: unknown;
  /** The same for people; empty when all was said already. */
  readonly text: string;
}

/** What a command does, once it is called. Its name and summary are in `commands.ts`. */
export interface CliCommand {
  /** Adds the command's own flags. */
  configure?(command: Command): void;
  run(invocation: Invocation): Promise<CommandResult>;
}
