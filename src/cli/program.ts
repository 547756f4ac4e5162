import { Command, CommanderError, Option } from "commander";
import { mergedLayers } from "../config/settings.ts";
import { createLog, createServiceLog } from "../runtime/log.ts";
import { versionText } from "../runtime/package-files.ts";
import type { CliCommand, CommandResult, Invocation } from "./command.ts";
import { COMMAND_GROUPS, COMMANDS } from "./commands.ts";
import {
  describeError,
  type ErrorDocument,
  EXIT,
  errorLine,
  exitCodeOf,
  type Interruption,
  watchInterruption,
} from "./exit.ts";
import { addSettingFlags, gatherLayers, settingsHelp } from "./options.ts";
import { jsonText, printableLines } from "./output.ts";
import { overviewText } from "./overview.ts";
import { sentenceLog } from "./sentence-log.ts";
import { READER_GONE_EXIT_CODE, type StandardOutput, watchStandardOutput } from "./standard-output.ts";
import { COLOUR_SEQUENCES, coloured, hasColours } from "./terminal.ts";
import { usageErrorOf } from "./usage.ts";

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/** The command and arguments of a command line, once they are parsed. */
interface Called {
  command?: CliCommand;
  parsed?: Command;
}

/**
 * Runs one command line (without `node` and the program's name) and prints its result. Never rejects.
 * @returns the exit code.
 */
export async function runCommandLine(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const output = watchStandardOutput();
  const interruption = watchInterruption(sayToPerson);
  // Needed before the line is parsed, because parsing may fail.
  const json = args.includes("--json");
  const verbose = /--log-level[= ]debug/.test(args.join(" "));
  const called: Called = {};
  let exitCode: number;
  try {
    let result = null as CommandResult | null;
    const topic = json ? null : helpTopic(args);
    const program = buildProgram(called, async (command, parsed) => {
      const flags = parsed.optsWithGlobals();
      const layers = await gatherLayers(flags, environment);
      const invocation: Invocation = {
        settings: mergedLayers(layers),
        layers,
        args: parsed.args,
        flags,
        json,
        // A person reads sentences. A service, and a level that was asked for, write JSON lines.
        log:
          json || command.isService || program.getOptionValueSource("logLevel") !== "default"
            ? (command.isService ? createServiceLog : createLog)(flags.logLevel)
            : sentenceLog(sayToPerson),
        signal: command.isService ? interruption.signal : AbortSignal.any([interruption.signal, output.signal]),
        environment,
        commands: COMMANDS,
        programOptions: program.options,
        say: json ? sayToPerson : print,
        note: (line) => sayToPerson(`note: ${line}`),
      };
      result = await command.run(invocation);
    });
    if (topic === null) await program.parseAsync(withHelpFlag(args), { from: "user" });
    else print(topic);
    exitCode = result === null ? EXIT.ok : printResult(result, json);
    const isMeant = called.command?.isService === true || result?.endedBySignal === true;
    if (!isMeant) exitCode = interruption.exitCode() ?? exitCode;
  } catch (error) {
    const isHelp = error instanceof CommanderError && error.exitCode === 0; // --help and --version have printed everything.
    const reported = usageErrorOf(error, called.parsed);
    exitCode = interruption.exitCode() ?? (isHelp ? EXIT.ok : exitCodeOf(reported));
    // After a failed write, that is the reason of every failure.
    if (!isHelp && !output.signal.aborted) report(reported, { json, verbose, interruption });
  } finally {
    interruption.stop();
  }
  const codeOfLostOutput = await reportLostOutput(output);
  if (codeOfLostOutput === null || called.command?.isService) return exitCode;
  return interruption.exitCode() ?? codeOfLostOutput;
}

/** @returns null when standard output took everything. */
async function reportLostOutput(output: StandardOutput): Promise<number | null> {
  const failure = await output.settled();
  if (failure === null) return null;
  if (failure === "reader-gone") return READER_GONE_EXIT_CODE;
  sayToPerson(errorLine(failure));
  return EXIT.failed;
}

function printResult({ exitCode, json: document, text }: CommandResult, json: boolean): number {
  const isDocument = json && document !== undefined;
  const output = isDocument ? jsonText(document, process.stdout.isTTY) : text;
  if (output !== "") print(output);
  return exitCode;
}

function buildProgram(called: Called, run: (command: CliCommand, parsed: Command) => Promise<void>): Command {
  const program = new Command("mnemosync");
  program
    .version(versionText(), "--version", "print the version, and of a release its tag and commit")
    .description(
      "Keeps the memories of AI agents consistent over PostgreSQL, Redis, FAISS and stores of your own.\n\n" +
        "Exit codes: 0 done; 1 done, with findings (drift, rejected lines, failed repairs, nothing found); 2 not done " +
        "(usage, configuration, a store that does not answer); 3 a part of it (a connector's run); 130 and 143 after SIGINT and SIGTERM; 141 when the reader " +
        "of the output is gone.",
    )
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true });
  program.option("--json", "print one JSON document on standard output, and nothing else there");
  program.option("--config <file>", "read settings from a YAML or JSON file with the library's option names");
  program.addOption(
    new Option("--log-level <level>", "events on standard error, as JSON lines").choices(LOG_LEVELS).default("warn"),
  );
  addSettingFlags(program);
  program.addHelpText("after", "\nSettings are flags, too: see mnemosync help settings\n");
  for (const { heading, commands } of COMMAND_GROUPS) {
    program.commandsGroup(heading);
    for (const { name, aliases = [], usage, summary } of commands) {
      const parsed = program
        .command(`${name} ${usage}`.trim())
        .description(summary)
        .aliases([...aliases]);
      parsed.exitOverride().allowExcessArguments(false);
      parsed.addHelpText(
        "after",
        "\nSettings, such as --postgres-url, can be given here too: see mnemosync help settings\n",
      );
    }
  }
  // Runs before the command's own flags are parsed, and before its --help shows them.
  program.hook("preSubcommand", async (_program, parsed) => {
    const command = await COMMANDS.find(({ name }) => name === parsed.name())?.load();
    if (command === undefined) return;
    Object.assign(called, { command, parsed });
    command.configure?.(parsed);
    parsed.action(() => run(command, parsed));
  });
  return program;
}

/** The text of a command line that asks for no command: alone, and `help settings`. */
function helpTopic(args: readonly string[]): string | null {
  if (args.length === 0) return overviewText();
  return args[0] === "help" && args[1] === "settings" && args.length === 2 ? settingsHelp() : null;
}

/** Turns `help get` into `get --help`, which shows the flags of the command too. */
function withHelpFlag(args: readonly string[]): readonly string[] {
  return args[0] === "help" ? [...args.slice(1), "--help"] : args;
}

function report(error: unknown, how: { json: boolean; verbose: boolean; interruption: Interruption }): void {
  // After a signal, every failure has the signal as its reason.
  const { aborted, reason } = how.interruption.signal;
  const { code, message } = aborted ? { code: "ABORTED", message: (reason as Error).message } : describeError(error);
  const document: ErrorDocument = { error: { code, message } };
  if (how.json) print(jsonText(document, process.stdout.isTTY));
  else sayToPerson(coloured(aborted ? `error ${code}: ${message}` : errorLine(error), "bad", process.stderr));
  if (how.verbose && error instanceof Error) sayToPerson(error.stack ?? error.message);
}

/** Prints to standard output. Lines may quote untrusted text, so control characters are escaped here at the latest. */
function print(text: string): void {
  const kept = hasColours(process.stdout) ? COLOUR_SEQUENCES : [];
  process.stdout.write(`${printableLines(text, kept)}\n`);
}

function sayToPerson(text: string): void {
  const kept = hasColours(process.stderr) ? COLOUR_SEQUENCES : [];
  process.stderr.write(`${printableLines(text, kept)}\n`);
}
