import { COMMAND_GROUPS } from "./commands.ts";

/** Columns of the narrowest terminal that it fits. */
const WIDTH = 80;
const HEADING_WIDTH = 20;

/** The answer to `mnemosync` alone: every command by name, on one screen. */
export function overviewText(): string {
  const groups = COMMAND_GROUPS.flatMap(({ heading, commands }) => {
    const lines = filled(commands.map(({ name }) => name));
    return lines.map((line, index) => `  ${(index === 0 ? heading : "").padEnd(HEADING_WIDTH)}${line}`);
  });
  return [
    "mnemosync <command> [flags]",
    "Keeps the memories of AI agents consistent over PostgreSQL, Redis and FAISS.",
    "",
    ...groups,
    "",
    "  mnemosync demo             shows all of it, on servers and data of its own",
    "  mnemosync doctor           examines your settings and servers",
    "  mnemosync --help           the commands with a sentence each, and exit codes",
    "  mnemosync help <command>   a command with its flags",
    "  mnemosync help settings    every setting: flag, variable, default",
  ].join("\n");
}

/** Names in lines that fit beside the heading. */
function filled(names: readonly string[]): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    const longer = last === undefined ? name : `${last}  ${name}`;
    if (last !== undefined && longer.length <= WIDTH - HEADING_WIDTH - 2) lines[lines.length - 1] = longer;
    else lines.push(name);
  }
  return lines;
}
