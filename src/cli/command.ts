import type { Command, Option } from "commander";
import type { SettingLayers, Settings } from "../config/settings.ts";
import type { Log } from "../runtime/log.ts";
import type { ExitCode } from "./exit.ts";

/** One call of the program, as a command gets it. */
export interface Invocation {
  /** The merged settings of all sources, unchecked. */
  readonly settings: Settings;
  /** The settings by source. */
  readonly layers: SettingLayers;
  /** The command's arguments, in order. */
  readonly args: readonly string[];
  /** The command's own flags, by commander's attribute names. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly log: Log;
  /** Fires on Ctrl-C and SIGTERM, and when standard output can no longer be written. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
  /** Every command of the program, and the flags that all of them take. */
  readonly commands: readonly CommandEntry[];
  readonly programOptions: readonly Option[];
  /** Prints a line for people during the work: on standard error with `--json`, else on standard output. */
  say(line: string): void;
  /** Prints a remark about the work on standard error, so that it is in no result. */
  note(line: string): void;
}

/** The result of a command, printed after everything is closed. */
export interface CommandResult {
  readonly exitCode: ExitCode;
  /** The document for programs; undefined for a command that writes something else to standard output. */
  readonly json: unknown;
  /** The result for people; empty when the command has printed everything already. */
  readonly text: string;
  /** Whether it ran until a signal ended it, as it was asked to: then the exit code is this one, not the signal's. @default false */
  readonly endedBySignal?: boolean;
}

/** The implementation of a command, loaded when the command is called. */
export interface CliCommand {
  /** Adds the command's own flags. */
  configure?(command: Command): void;
  run(invocation: Invocation): Promise<CommandResult>;
  /**
   * Runs until a signal ends it. So a signal is no interruption, and the exit code is the result's: a service manager
   * counts 143 as a failure. It does not end when the reader of standard output does.
   * @default false
   */
  readonly isService?: boolean;
}

/** A command as `--help` lists it. */
export interface CommandEntry {
  readonly name: string;
  /** Other names under which it can be called. The help does not list them. */
  readonly aliases?: readonly string[];
  /** Its arguments, e.g. `<id>`. */
  readonly usage: string;
  readonly summary: string;
  /** The words that may stand for its `action`, in the order of the help. */
  readonly actions?: readonly string[];
  /** Loads the implementation. Each one brings modules along that other commands do not need. */
  load(): Promise<CliCommand>;
}

/** The commands of one part of the program, under one heading of the help. */
export interface CommandGroup {
  readonly heading: string;
  readonly commands: readonly CommandEntry[];
}
