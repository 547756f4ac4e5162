import { Command, CommanderError, Option } from "commander";
import { optionLeaves } from "../config/parse.ts";
import { nearestName } from "../domain/nearest-name.ts";
import { createLog } from "../runtime/log.ts";
import { packageVersion } from "../runtime/package-files.ts";
import type { CliCommand, CommandResult, Invocation } from "./command.ts";
import { COMMAND_GROUPS, COMMANDS } from "./commands.ts";
import { describeError, type ErrorDocument, EXIT, errorLine, UsageError, watchInterruption } from "./exit.ts";
import { addSettingFlags, gatherSettings, settingsHelp } from "./options.ts";
import { jsonText } from "./output.ts";

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/**
 * Runs one command line (without `node` and the program's name) and prints its result. Never rejects.
 * @returns the exit code.
 */
export async function runCommandLine(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const interruption = watchInterruption(sayToPerson);
  // Needed before the line is parsed, because parsing may fail.
  const json = args.includes("--json");
  const verbose = /--log-level[= ]debug/.test(args.join(" "));
  try {
    let result: CommandResult | null = null;
    const program = buildProgram(async (command, parsed, own) => {
      const flags = parsed.optsWithGlobals();
      const invocation: Invocation = {
        settings: await gatherSettings(flags, environment),
        args: own,
        flags,
        json,
        log: createLog(flags.logLevel),
        signal: interruption.signal,
        environment,
        say: json ? sayToPerson : (line) => print(line),
      };
      result = await command.run(invocation);
    });
    await program.parseAsync(withHelpFlag(args), { from: "user" });
    if (result === null) return EXIT.ok;
    const { exitCode, json: document, text } = result as CommandResult;
    const isDocument = json && document !== undefined;
    const output = isDocument ? jsonText(document, process.stdout.isTTY) : text;
    if (output !== "") print(output);
    return interruption.exitCode() ?? exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok; // --help and --version have printed everything.
    report(usageErrorOf(error), { json, verbose, interrupted: interruption.signal });
    return interruption.exitCode() ?? EXIT.failed;
  } finally {
    interruption.stop();
  }
}

function buildProgram(run: (command: CliCommand, parsed: Command, args: readonly string[]) => Promise<void>): Command {
  const program = new Command("mnemosync");
  program
    .version(packageVersion(), "--version", "print the version")
    .description(
      "Keeps the memories of AI agents consistent over PostgreSQL, Redis, FAISS and stores of your own.\n\n" +
        "Exit codes: 0 done; 1 done, with findings (drift, rejected lines, failed repairs, nothing found); 2 not done " +
        "(usage, configuration, a store that does not answer); 130 and 143 after SIGINT and SIGTERM.",
    )
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError();
  program.option("--json", "print one JSON document on standard output, and nothing else there");
  program.option("--config <file>", "read settings from a YAML or JSON file with the library's option names");
  program.addOption(
    new Option("--log-level <level>", "events on standard error, as JSON lines").choices(LOG_LEVELS).default("warn"),
  );
  addSettingFlags(program);
  program.addHelpText("after", () => `\n${settingsHelp()}`);
  for (const { heading, commands } of COMMAND_GROUPS) {
    program.commandsGroup(heading);
    for (const { name, usage, summary } of commands) {
      const parsed = program.command(`${name} ${usage}`.trim()).description(summary);
      parsed.exitOverride().allowExcessArguments(false);
      parsed.addHelpText("after", "\nSettings, such as --postgres-url, can be given here too: see mnemosync --help\n");
    }
  }
  // Runs before the command's own flags are parsed, and before its --help shows them.
  program.hook("preSubcommand", async (_program, parsed) => {
    const command = await COMMANDS.find(({ name }) => name === parsed.name())?.load();
    command?.configure?.(parsed);
    if (command !== undefined) parsed.action(() => run(command, parsed, parsed.args));
  });
  return program;
}

/** Turns `help get` into `get --help`, which shows the flags of the command too. */
function withHelpFlag(args: readonly string[]): readonly string[] {
  return args[0] === "help" ? [...args.slice(1), "--help"] : args;
}

function usageErrorOf(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.code === "commander.help") return new UsageError("no command given: see mnemosync --help");
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\s+/g, " ")
    .replace(/\.$/, "");
  // Settings are hidden from the short help, and so commander does not suggest them.
  const unknown = error.code === "commander.unknownOption" ? /'(--[^']+)'/.exec(message)?.[1] : undefined;
  if (unknown !== undefined && !message.includes("Did you mean")) {
    const flags = optionLeaves().map(({ flag }) => flag);
    return new UsageError(`${message}; did you mean ${nearestName(unknown, flags)}? See mnemosync --help`);
  }
  return new UsageError(`${message}; see mnemosync --help`);
}

function report(error: unknown, how: { json: boolean; verbose: boolean; interrupted: AbortSignal }): void {
  // After a signal, every failure has the signal as its reason.
  const reason = how.interrupted.aborted ? (how.interrupted.reason as Error) : error;
  const document: ErrorDocument = {
    error: how.interrupted.aborted ? { code: "ABORTED", message: (reason as Error).message } : describeError(error),
  };
  if (how.json) print(jsonText(document, process.stdout.isTTY));
  else sayToPerson(how.interrupted.aborted ? `error ABORTED: ${(reason as Error).message}` : errorLine(error));
  if (how.verbose && error instanceof Error) sayToPerson(error.stack ?? error.message);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function sayToPerson(line: string): void {
  process.stderr.write(`${line}\n`);
}
